"""What clients get wrong: each a clear error in their dialect, nothing hangs, and a healthy client notices nothing."""

import contextlib
import resource
import select
import socket
import time

import httpx
import openai
import pytest
from processes import Gateway, raw_exchange


def told(answer):
    """The gateway's own words in an error body, after a look at the dialect's."""
    error = answer.json()["error"]
    assert {"message", "type", "param", "code", "goodgate"} <= set(error)
    assert error["goodgate"]["request_id"] == answer.headers["x-request-id"]
    return error["goodgate"]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{", "JSON"),
        (b"", "JSON"),
        (b"not json", "JSON"),
        (b"[]", "object"),
        (b'{"model":5,"messages":[]}', "model"),
        (b'{"messages":[{"role":"user","content":"hi"}]}', "model"),
        (b'{"model":"demo/echo"}', "messages"),
        (b'{"model":"demo/echo","messages":"hi"}', "messages"),
        (b'{"model":"demo/echo","messages":[{"role":"user","content":"hi"}],"model":"demo/down"}', "model"),
        (b'{"model":"demo/echo","messages":[{"role":"user","content":"hi"}],"mod\\u0065l":"demo/down"}', "model"),
        (b'{"model":"demo/echo","messages":[{"role":"user","content":"hi"}],"stream":"yes"}', "stream"),
        (b'{"model":"demo/echo","messages":[{"role":"user","content":"\xff"}]}', ""),
    ],
)
def test_a_wrong_body_is_a_400_that_names_what_is_wrong(demo, body, word):
    answer = demo.post("/v1/chat/completions", body)
    assert answer.status_code == 400, answer.text
    assert word.lower() in answer.json()["error"]["message"].lower()
    assert answer.headers["x-goodgate-outcome"] == "refused"
    assert answer.headers["x-goodgate-code"] == "invalid_request"
    if b'"model":"demo/echo"}' not in body:  # That one the provider refuses, in its own words.
        assert told(answer)["code"] == "invalid_request"
        assert told(answer)["origin"] == "client"


def test_the_sdk_raises_the_class_that_belongs_to_each_refusal(demo):
    def client(key=demo.key):
        return openai.OpenAI(base_url=f"{demo.url}/v1", api_key=key, max_retries=0).chat.completions

    messages = [{"role": "user", "content": "hi"}]
    with pytest.raises(openai.AuthenticationError) as caught:
        client("sk-gg-dev-wrong").create(model="demo/echo", messages=messages)
    assert caught.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as caught:
        client().create(model="demo/ecko", messages=messages)
    assert caught.value.code == "model_not_found"
    assert "demo/echo" in str(caught.value), "near names are listed"
    with pytest.raises(openai.BadRequestError):
        client().create(model="demo/echo", messages=messages, extra_body={"stream": 7})


def test_an_unknown_path_says_what_is_there(demo):
    answer = demo.post("/v1/v1/chat/completions", {})
    assert answer.status_code == 404
    assert "already ends with /v1" in answer.json()["error"]["message"]
    assert told(demo.post("/v1/nothing", {}))["code"] == "no_route"


def head(demo, *lines, path="/v1/chat/completions"):
    """A request's head, byte for byte."""
    return "\r\n".join([f"POST {path} HTTP/1.1", f"Host: {demo.host}", *lines, "", ""]).encode()


@pytest.mark.parametrize(
    "credentials", [[], ["Authorization: Bearer sk-gg-dev-nobody"], ["x-api-key: sk-ant-of-someone-else"]]
)
def test_without_a_valid_key_not_one_byte_of_the_body_is_read(demo, credentials):
    # The body is announced and never sent: only a server that does not wait for it can answer.
    began = time.monotonic()
    received, _ = raw_exchange(
        demo.host, head(demo, *credentials, "content-type: application/json", "content-length: 1000000"), 5
    )
    assert received.startswith(b"HTTP/1.1 401"), received[:200]
    assert time.monotonic() - began < 6
    assert b"unauthenticated" in received and b"invalid_api_key" in received
    # One that asks first is told before it sends.
    received, _ = raw_exchange(demo.host, head(demo, *credentials, "content-length: 10", "Expect: 100-continue"), 3)
    assert received.startswith(b"HTTP/1.1 401"), received[:200]


def test_a_body_over_the_limit_is_refused_by_its_announcement(demo):
    key = f"Authorization: Bearer {demo.key}"
    received, _ = raw_exchange(demo.host, head(demo, key, "content-length: 60000000"), 5)
    assert received.startswith(b"HTTP/1.1 413"), received[:200]
    assert b"request_too_large" in received


def test_a_body_over_the_limit_is_refused_while_it_comes(demo):
    def endless():
        block = b" " * (1 << 20)
        for _ in range(64):
            yield block

    headers = {"authorization": f"Bearer {demo.key}", "content-type": "application/json"}
    try:
        answer = httpx.post(
            f"{demo.url}/v1/chat/completions", content=endless(), headers=headers, timeout=60, trust_env=False
        )
    except httpx.WriteError:
        return  # The connection was closed under the sender: refused all the same.
    assert answer.status_code == 413
    assert told(answer)["code"] == "request_too_large"


@pytest.mark.parametrize(
    "lines",
    [
        ["content-length: 4", "transfer-encoding: chunked"],
        ["content-length: 4", "content-length: 5"],
        ["content-length: 4", "Host: another.example"],
        ["content-length: -4"],
        ["content-length : 4"],
    ],
    ids=["both framings", "two lengths", "two hosts", "negative", "space before colon"],
)
def test_a_head_that_two_servers_could_read_differently_is_refused(demo, lines):
    data = head(demo, f"Authorization: Bearer {demo.key}", *lines) + b"0\r\n\r\n"
    received, closed = raw_exchange(demo.host, data, 5)
    assert received.startswith(b"HTTP/1.1 400"), received[:200]
    if "Host: another.example" not in lines:
        assert closed, "what follows on such a connection cannot be trusted"


def test_a_head_without_end_is_refused(demo):
    received, closed = raw_exchange(demo.host, head(demo)[:-2] + b"x-filler: " + b"a" * 70_000, 15)
    assert closed
    assert received == b"" or received.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400")), received[:200]


def test_a_foreign_host_or_origin_opens_no_page(demo):
    rebound = httpx.get(f"{demo.url}/ui", headers={"host": "evil.example"}, timeout=10, trust_env=False)
    assert rebound.status_code in (400, 403, 421), rebound.text
    foreign = httpx.get(
        f"{demo.url}/api/v1/requests",
        headers={"origin": "http://evil.example", "authorization": f"Bearer {demo.admin_token()}"},
        timeout=10,
        trust_env=False,
    )
    assert foreign.status_code == 403


def test_a_callers_key_never_opens_the_admin_api(demo):
    answer = httpx.get(
        f"{demo.url}/api/v1/requests", headers={"authorization": f"Bearer {demo.key}"}, timeout=10, trust_env=False
    )
    assert answer.status_code in (401, 403)
    assert httpx.get(f"{demo.url}/api/v1/requests", timeout=10, trust_env=False).status_code in (401, 403)
    assert demo.admin("/api/v1/requests").status_code == 200


def test_a_client_that_drips_its_body_is_told_so_in_time(start):
    gateway = start(Gateway, "slow")
    data = (
        head(gateway, f"Authorization: Bearer {gateway.key}", "content-type: application/json", "content-length: 100")
        + b'{"model":'
    )
    began = time.monotonic()
    received, closed = raw_exchange(gateway.host, data, 90)
    assert closed and time.monotonic() - began < 75
    assert received.startswith(b"HTTP/1.1 408"), received[:200]
    assert b"client_timeout" in received


SILENT = 2000


def test_two_thousand_silent_connections_are_ended_and_a_healthy_client_is_unharmed(start):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, SILENT + 500)), hard))
    gateway = start(Gateway, "silent")
    with contextlib.ExitStack() as stack:
        waiting = []
        began = time.monotonic()
        for _ in range(SILENT):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=5))
            waiting.append(connection)
        slowest = 0.0
        poll = select.poll()
        open_ones = {connection.fileno(): connection for connection in waiting}
        for number in open_ones:
            poll.register(number, select.POLLIN)
        while open_ones and time.monotonic() - began < 40:
            before = time.monotonic()
            answer = gateway.chat("demo/echo")
            slowest = max(slowest, time.monotonic() - before)
            assert answer.status_code == 200
            for number, _ in poll.poll(200):
                with contextlib.suppress(ConnectionResetError):
                    received = open_ones[number].recv(4096)
                    if received and not received.startswith((b"HTTP/1.1 408", b"HTTP/1.1 503")):
                        raise AssertionError(received[:100])
                    if received:
                        continue
                poll.unregister(number)
                del open_ones[number]
        assert not open_ones, f"{len(open_ones)} connections still open after 40 s"
        assert time.monotonic() - began < 30, "the door's deadline is 10 s"
        assert slowest < 2.0, f"a healthy call took {slowest:.1f} s meanwhile"
