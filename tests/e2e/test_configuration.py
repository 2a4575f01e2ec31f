"""What is written in goodgate.yaml: checked all at once, reloaded without losing a call."""

import concurrent.futures
import json
import re
import signal
import subprocess
import threading

import httpx
from processes import BINARY, Drill, Gateway, clean_environment

TEN_MISTAKES = """\
version: 1
servr: { listen: 127.0.0.1:4000 }
providers:
  main: { type: opnai }
  second: { type: openai-compatible }
  third: { type: openai, api_key: "${NOT_SET_ANYWHERE}" }
  third: { type: openai, api_key: sk-x }
models:
  smart: { targets: [main/gpt-5-mini], fallback: [second/x] }
  empty: { targets: [] }
  lost: { targets: [nowhere/model] }
routes:
  weather: { match: { path: weather }, upstreams: ["ftp://weather.example"], access: everybody }
resilience:
  timeout: { connect: soon }
  retry: { max_attempts: -1 }
"""


def check(folder, text, *arguments):
    """Runs `goodgate check` on a text."""
    file = folder / "goodgate.yaml"
    file.write_text(text)
    command = [str(BINARY), "check", str(file), *arguments]
    environment = clean_environment(NO_COLOR="1")
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment, cwd=folder)


def test_ten_mistakes_give_ten_carets(tmp_path):
    done = check(tmp_path, TEN_MISTAKES)
    text = done.stdout + done.stderr
    assert done.returncode == 3, text
    errors = re.findall(r"^error\[(\w+)\]", text, re.MULTILINE)
    assert len(errors) >= 10, text
    carets = [line for line in text.splitlines() if re.search(r"^\s*\|\s*\^+", line)]
    assert len(carets) >= len(errors), text
    places = re.findall(r"goodgate\.yaml:(\d+):(\d+)", text)
    assert len({line for line, _ in places}) >= 9, text
    for line, column in places:
        assert 1 <= int(line) <= len(TEN_MISTAKES.splitlines()) and int(column) >= 1
    assert "server" in text, "`servr` is close to a key that exists"
    assert "openai" in text, "`opnai` is close to a kind that exists"
    assert "sk-x" not in text, "a secret is never printed"


def test_a_good_configuration_passes_and_says_so(tmp_path):
    done = check(
        tmp_path,
        """
providers:
  one: { type: openai-compatible, base_url: http://127.0.0.1:9999/v1 }
models:
  smart: { targets: [one/model] }
""",
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_same_findings_are_to_be_had_as_json(tmp_path):
    done = check(tmp_path, TEN_MISTAKES, "--format", "json")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    found = found if isinstance(found, list) else found.get("findings") or found.get("diagnostics")
    assert len(found) >= 10
    assert all({"code", "line", "column"} <= set(one) for one in found), found[0]


def test_a_gateway_refuses_to_start_with_what_check_refuses(tmp_path):
    file = tmp_path / "goodgate.yaml"
    file.write_text(TEN_MISTAKES)
    command = [
        str(BINARY),
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--state",
        str(tmp_path / "state"),
        "--config",
        str(file),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=clean_environment(NO_COLOR="1"))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "unknown_key" in done.stdout + done.stderr


def test_a_busy_port_is_an_error_that_names_it(tmp_path, demo):
    command = [str(BINARY), "serve", "--listen", demo.host, "--state", str(tmp_path / "state")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, env=clean_environment(HOME=str(tmp_path)), cwd=tmp_path
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert str(demo.port) in done.stderr and "--listen" in done.stderr


def test_a_busy_state_folder_is_an_error_that_names_it(tmp_path, demo):
    command = [str(BINARY), "serve", "--listen", "127.0.0.1:0", "--state", str(demo.state)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, env=clean_environment(HOME=str(tmp_path)), cwd=tmp_path
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert str(demo.state) in done.stderr


RELOADS = 50


def test_reloads_under_load_lose_no_call_and_bad_ones_change_nothing(start):
    drill = start(Drill)

    def config(alias):
        return f"""
providers:
  far: {{ type: openai-compatible, base_url: "{drill.url}/v1", api_key: sk-drill }}
models:
  {alias}: {{ targets: [far/echo] }}
  steady: {{ targets: [far/echo] }}
"""

    gateway = start(Gateway, config=config("first-version"))
    stop = threading.Event()

    def load():
        statuses = []
        with httpx.Client(trust_env=False, timeout=30) as client:
            headers = {"authorization": f"Bearer {gateway.key}"}
            body = {"model": "steady", "messages": [{"role": "user", "content": "hi"}]}
            while not stop.is_set():
                body["stream"] = len(statuses) % 2 == 1
                answer = client.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers)
                whole = "[DONE]" in answer.text if body["stream"] else bool(answer.json().get("choices"))
                statuses.append((answer.status_code, whole))
        return statuses

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(load) for _ in range(4)]
        for number in range(RELOADS):
            gateway.config.write_text(TEN_MISTAKES if number % 2 else config(f"version-{number}"))
            gateway.signal(signal.SIGHUP)
            stop.wait(0.1)  # The pace is the test: ten reloads a second.
        gateway.config.write_text(config("last-version"))
        gateway.signal(signal.SIGHUP)
        gateway.until(lambda: gateway.chat("last-version").status_code == 200, "last configuration in force")
        stop.set()
        answers = [answer for one in loads for answer in one.result(30)]
    assert len(answers) > 50
    assert set(answers) == {(200, True)}, [answer for answer in answers if answer != (200, True)][:5]
    assert gateway.chat("first-version").status_code == 404, "what is gone from the file is gone"
    assert "unknown_key" in gateway.said(), "a bad reload is told in the log"
