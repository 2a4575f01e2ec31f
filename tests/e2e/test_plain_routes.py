"""Programs that know nothing of gateways: five lines, and the host in the URL."""

import subprocess
import sys
import textwrap

import httpx
import pytest
from processes import Gateway, clean_environment

SCRIPT = textwrap.dedent(
    """\
    import requests
    answer = requests.get("{url}")
    answer.raise_for_status()
    city = answer.json()
    print(city["name"], city["degrees"])
    """
)
HTML_502 = b"<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"


def run(url):
    """Runs the script as a program of its own."""
    environment = clean_environment()
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(url=url)], capture_output=True, text=True, timeout=60, env=environment
    )


@pytest.fixture
def weather(start, upstream):
    """A gateway before one plain upstream, once open to programs of this machine and once with a key."""
    config = f"""
routes:
  open: {{ match: {{ path: /open/** }}, upstreams: ["{upstream.url}"], access: open }}
  keyed: {{ match: {{ path: /keyed/** }}, upstreams: ["{upstream.url}"] }}
"""
    return start(Gateway, "weather", config=config)


def url_of(gateway, way):
    """The only thing that changes in the script. `requests` drops a user without a colon before it sends anything."""
    return f"{gateway.url}/open/v1/berlin" if way == "open" else f"http://{gateway.key}:@{gateway.host}/keyed/v1/berlin"


@pytest.mark.parametrize("way", ["open", "key in the URL"])
def test_the_script_gets_its_json_though_the_upstream_fails_twice(weather, upstream, way):
    def answer(request, n):
        if n <= 2:
            request.reply(502, HTML_502, "text/html")
        else:
            request.reply(200, {"name": "Berlin", "degrees": 7})

    upstream.answer = answer
    done = run(url_of(weather, way))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Berlin 7\n"
    assert [(method, path) for method, path, _, _ in upstream.seen] == [("GET", "/v1/berlin")] * 3
    for _, _, headers, _ in upstream.seen:
        assert "authorization" not in {name.lower() for name in headers}, "the caller's key stays here"
        assert weather.key not in str(headers)


@pytest.mark.parametrize("way", ["open", "key in the URL"])
def test_its_traceback_names_cause_and_request_id_when_the_upstream_stays_down(weather, upstream, way):
    upstream.answer = lambda request, _n: request.reply(502, HTML_502, "text/html")
    done = run(url_of(weather, way))
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "requests.exceptions.HTTPError: 502 Server Error: " in last
    assert "502 x" in last, last
    assert "[req_" in last, last
    request_id = last.split("[")[1].split("]")[0]
    assert "bad_gateway" in weather.explain(request_id)


def test_its_traceback_names_a_dead_host(weather, upstream):
    upstream.close()
    done = run(url_of(weather, "open"))
    last = done.stderr.strip().splitlines()[-1]
    assert "connection refused" in last.lower().replace("_", " ") and "[req_" in last, last


def test_a_failure_is_a_problem_document(weather, upstream):
    upstream.answer = lambda request, _n: request.reply(502, HTML_502, "text/html")
    answer = httpx.get(f"{weather.url}/open/x", timeout=30, trust_env=False)
    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["status"] == 502
    assert problem["goodgate"]["code"] == "bad_gateway"
    assert len(problem["goodgate"]["attempts"]) == len(upstream.seen) == 4


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_methods_that_may_be_repeated_are(weather, upstream, method):
    upstream.answer = lambda request, n: request.reply(502 if n == 1 else 200, {"n": n})
    answer = httpx.request(method, f"{weather.url}/open/thing?a=1&b=%2F", timeout=30, trust_env=False)
    assert answer.status_code == 200
    assert [(m, path) for m, path, _, _ in upstream.seen] == [(method, "/thing?a=1&b=%2F")] * 2


def test_a_post_is_sent_once_since_it_may_have_been_done(weather, upstream):
    upstream.answer = lambda request, _n: request.reply(502, HTML_502, "text/html")
    answer = httpx.post(f"{weather.url}/open/orders", json={"buy": 1}, timeout=30, trust_env=False)
    assert answer.status_code == 502
    assert len(upstream.seen) == 1


def test_an_answer_passes_unchanged(weather, upstream):
    body = bytes(range(256)) * 64
    upstream.answer = lambda request, _n: request.reply(404, body, "application/octet-stream")
    answer = httpx.get(f"{weather.url}/open/file", timeout=30, trust_env=False)
    assert (answer.status_code, answer.content) == (404, body), "a 404 of the service is the service's answer"
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("pair", ["{key}", "{key}:", "anyone:{key}"])
def test_a_key_in_the_url_is_taken_as_user_or_password(weather, upstream, pair):
    url = f"http://{pair.format(key=weather.key)}@{weather.host}/keyed/x"
    done = subprocess.run(["curl", "-sS", url], capture_output=True, text=True, timeout=30, env=clean_environment())
    assert done.stdout == '{"ok": true}', done.stdout + done.stderr
    assert len(upstream.seen) == 1


def test_a_keyed_route_needs_a_key(weather, upstream):
    answer = httpx.get(f"{weather.url}/keyed/x", timeout=30, trust_env=False)
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["goodgate"]["code"] == "unauthenticated"
    assert upstream.seen == []


def test_the_next_upstream_takes_over(start, upstream):
    config = f"""
routes:
  pair: {{ match: {{ path: /pair/** }}, upstreams: ["http://127.0.0.1:9", "{upstream.url}/base"], access: open }}
"""
    gateway = start(Gateway, config=config)
    answer = httpx.get(f"{gateway.url}/pair/x", timeout=30, trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["x-goodgate-outcome"] == "recovered"
    assert [path for _, path, _, _ in upstream.seen] == ["/base/x"]
