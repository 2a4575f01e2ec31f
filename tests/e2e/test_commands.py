"""The command line as people and scripts use it: the real binary, its output, its exit codes, its signals."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest
from processes import BINARY, Drill, Gateway, Process, clean_environment, free_port

DOWN = 6


def cli(folder, *arguments, text=None, timeout=60, **environment):
    """Runs a verb without any gateway of the test's own."""
    return subprocess.run(
        [str(BINARY), *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=folder,
        env=clean_environment(
            HOME=str(folder), XDG_CONFIG_HOME=str(folder / "none"), NO_COLOR="1", TMPDIR=str(folder), **environment
        ),
    )


def on_terminal(folder, columns, *arguments, **environment):
    """What a person sees on a terminal of so many columns, and the exit code."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    child = subprocess.Popen(
        [str(BINARY), *map(str, arguments)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=folder,
        env=clean_environment(HOME=str(folder), XDG_CONFIG_HOME=str(folder / "none"), TERM="xterm", **environment),
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            block = os.read(master, 65536)
        except OSError:
            break
        if not block:
            break
        seen += block
    os.close(master)
    return seen.decode().replace("\r\n", "\n"), child.wait(60)


def two_providers(start):
    """A gateway whose first provider answers 502 and whose second is well."""
    bad, good = start(Drill, "bad", listen="127.0.0.1:0"), start(Drill, "good")
    config = f"""
providers:
  bad: {{ type: openai-compatible, base_url: "{bad.url}/fault/html-502/v1" }}
  good: {{ type: openai-compatible, base_url: "{good.url}/v1", api_key: sk-drill-0123456789 }}
models:
  smart: {{ targets: [bad/m, good/m] }}
  only: {{ targets: [bad/m] }}
resilience: {{ circuit_breaker: {{ open: 30m, max_open: 1h }} }}
"""
    return start(Gateway, config=config)


# doctor


def test_doctor_tells_each_trouble_with_its_layer_its_code_and_one_fix(start, tmp_path):
    well, key, html = start(Drill, "well"), start(Drill, "key"), start(Drill, "html")
    expired = start(Drill, "expired", "--tls", "expired", "--authority", tmp_path / "ca.pem")
    config = tmp_path / "goodgate.yaml"
    config.write_text(f"""
providers:
  well: {{ type: openai-compatible, base_url: "{well.url}/v1" }}
  key: {{ type: openai, base_url: "{key.url}/fault/openai-invalid-key/v1", api_key: sk-secret-0123456789 }}
  html: {{ type: openai-compatible, base_url: "{html.url}/fault/html-200/v1" }}
  expired: {{ type: openai-compatible, base_url: "{expired.url}/v1", tls: {{ ca_file: "{tmp_path}/ca.pem" }} }}
  gone: {{ type: openai-compatible, base_url: "http://127.0.0.1:{free_port()}/v1" }}
models:
  smart: {{ targets: [gone/m, well/m] }}
""")
    done = cli(tmp_path, "doctor", "--json", "--config", config)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert not report["ok"] and report["exit"] == 1
    failed = {
        upstream["name"]: [(step["step"], step["code"]) for step in upstream["steps"] if step["state"] == "failed"]
        for upstream in report["upstreams"]
    }
    assert failed == {
        "well": [],
        "key": [("auth", "credentials_rejected")],
        "html": [("http", "unexpected_content_type")],
        "expired": [("tls", "tls_cert_expired")],
        "gone": [("tcp", "connection_refused")],
    }
    for columns in (80, 120):
        seen, code = on_terminal(tmp_path, columns, "doctor", "--config", config, NO_COLOR="1")
        assert code == 1
        assert "sk-secret-0123456789" not in seen and "…6789" in seen
        assert "effect: model smart runs on 1 of 2 targets" in seen
        assert seen.count("fix: ") == 4, seen
        assert all(len(line) <= columns for line in seen.splitlines() if str(tmp_path) not in line), seen
        assert f"127.0.0.1:{expired.url.rsplit(':')[-1]}" in seen


def test_doctor_exits_by_what_it_found(start, tmp_path):
    well = start(Drill)
    good = tmp_path / "good.yaml"
    good.write_text(f'providers:\n  well: {{ type: openai-compatible, base_url: "{well.url}/v1" }}\n')
    assert cli(tmp_path, "doctor", "--config", good, "--short").returncode == 0
    assert cli(tmp_path, "doctor", f"{well.url}/v1").returncode == 0
    bad = tmp_path / "bad.yaml"
    bad.write_text("providers: { openai: { api_key: sk-0123456789abcdef, nonsense: 1 } }\n")
    done = cli(tmp_path, "doctor", "--config", bad)
    assert done.returncode == 3 and "nonsense" in done.stdout and "config_invalid" in done.stdout
    unknown = cli(tmp_path, "doctor", "--config", good, "nobody")
    assert unknown.returncode == 2 and "well" in unknown.stderr
    assert cli(tmp_path, "doctor", "req_01K9ZQ7V3M8T2ABCDEFGHJKMNP").returncode == DOWN
    told = cli(tmp_path, "explain", "clock_skew")
    assert told.returncode == 0 and "timedatectl" in told.stdout


def test_doctor_examines_what_a_failed_call_went_to_and_shows_real_traffic(start):
    gateway = two_providers(start)
    failed = gateway.chat("only").headers["x-request-id"]
    gateway.explain(failed)
    done = gateway.cli("doctor", failed, "--json", check=False)
    assert done.returncode == 1, done.stderr
    (upstream,) = json.loads(done.stdout)["upstreams"]
    assert upstream["name"] == "bad"
    assert upstream["traffic"]["failed"] == upstream["traffic"]["attempts"] >= 1
    whole = json.loads(gateway.cli("doctor", "--json", check=False).stdout)
    assert {finding["check"]: finding["state"] for finding in whole["local"]}["port"] == "ok"


def test_doctor_waits_until_all_is_well(start, tmp_path):
    port = free_port()
    config = tmp_path / "goodgate.yaml"
    config.write_text(f'providers:\n  late: {{ type: openai-compatible, base_url: "http://127.0.0.1:{port}/v1" }}\n')
    waiting = start(Waiting, arguments=["doctor", "--config", config, "--short", "--wait", "60s"])
    start(Drill, "late", listen=f"127.0.0.1:{port}")
    assert waiting.child.wait(60) == 0, waiting.said()
    assert "late  ok" in waiting.said()


class Waiting(Process):
    """A verb that goes on by itself."""

    def __init__(self, folder, arguments, environment=None):
        folder.mkdir(parents=True, exist_ok=True)
        environment = environment or clean_environment(HOME=str(folder), XDG_CONFIG_HOME=str(folder / "none"))
        super().__init__("verb", [BINARY, *arguments], folder, environment)


def test_doctor_makes_a_live_call_and_says_the_price_first(start, tmp_path):
    drill = start(Drill)
    config = tmp_path / "goodgate.yaml"
    config.write_text(f"""
providers: {{ openai: {{ base_url: "{drill.url}/v1", api_key: sk-drill-0123456789 }} }}
models: {{ smart: {{ targets: [openai/gpt-5-mini] }} }}
""")
    done = cli(tmp_path, "doctor", "--config", config, "openai", "--live")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"openai: gpt-5-mini, \$0\.\d+ at most", done.stderr), done.stderr
    assert "live: gpt-5-mini: first token in" in done.stdout
    assert len([one for one in drill.requests() if one["method"] == "POST"]) == 1


# demo


def test_demo_survives_an_outage_and_leaves_nothing_behind(tmp_path):
    done = cli(tmp_path, "demo", timeout=120)
    assert done.returncode == 0, done.stderr
    figures = re.search(r"(\d+) of 200 ok \((\d+) of them recovered\), (\d+) lost, p95 (?:\+\d+ ms|as before)", done.stdout)
    ok, recovered, lost = map(int, figures.groups())
    # Once the primary is known to be dead, calls go to the backup at once.
    rerouted = re.search(r"(\d+) went to the backup at once", done.stdout)
    assert ok + lost == 200 and ok >= 180 and recovered >= 1, done.stdout
    assert recovered + int(rerouted[1] if rerouted else 0) >= 60, done.stdout
    assert "one that was recovered: goodgate explain req_" in done.stdout
    assert "RECOVERED 200 connection_refused" in done.stdout
    assert lost == 0 or re.search(r"FAILED \d+ \w+", done.stdout), done.stdout
    assert [path.name for path in tmp_path.iterdir()] == []


# status, logs, providers


def test_status_is_one_screen_and_its_code_tells(start, tmp_path):
    gateway = two_providers(start)
    gateway.explain(gateway.chat("smart").headers["x-request-id"])
    shown = gateway.cli("status").stdout
    assert gateway.url in shown and "1 call · ok 0.0 % · recovered 100.0 %" in shown
    assert len(shown.splitlines()) <= 15
    assert gateway.cli("status", "-q").stdout == ""
    assert json.loads(gateway.cli("status", "--json").stdout)["status"]["in_flight"] == 0
    gateway.kill()
    done = gateway.cli("status", "-q", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (DOWN, "", "")


@pytest.mark.parametrize(
    "verb",
    [
        ["status"],
        ["logs"],
        ["logs", "-f"],
        ["providers", "list"],
        ["providers", "drain", "x"],
        ["providers", "resume", "x"],
        ["models", "list"],
        ["env"],
        ["ui"],
        ["call", "-m", "smart", "hi"],
        ["explain", "req_01K9ZQ7V3M8T2ABCDEFGHJKMNP"],
        ["doctor", "req_01K9ZQ7V3M8T2ABCDEFGHJKMNP"],
    ],
    ids=" ".join,
)
def test_no_verb_hangs_when_the_gateway_is_down(verb, tmp_path):
    # As a crash leaves it: the folder says where a gateway listened, and nothing is there.
    state = tmp_path / "state"
    state.mkdir()
    (state / "lock").write_text(f"pid 1, listening on 127.0.0.1:{free_port()}\n")
    (state / "admin-token").write_text("gga-x")
    (state / "first-key").write_text("sk-gg-dev-x")
    begin = time.monotonic()
    done = cli(tmp_path, *verb, GOODGATE_STATE_DIR=str(state))
    assert done.returncode == DOWN, done.stdout + done.stderr
    assert "goodgate serve" in done.stderr and done.stdout == ""
    assert time.monotonic() - begin < 20


def test_logs_show_stored_calls_by_condition_and_then_live_ones(start):
    gateway = two_providers(start)
    saved = gateway.chat("smart").headers["x-request-id"]
    lost = gateway.chat("only").headers["x-request-id"]
    gateway.explain(lost), gateway.explain(saved)
    ids = lambda *options: re.findall(r"req_\w+", gateway.cli("logs", *options).stdout)  # noqa: E731
    assert ids() == [saved, lost]
    assert ids("--failed") == [lost]
    assert ids("--recovered", "--since", "1h", "--model", "smart", "--key", "dev") == [saved]
    assert ids("--cause", "bad_gateway", "-n", "1") == [lost]
    assert ids("--model", "nothing") == []
    assert gateway.cli("logs", "--cause", "nonsense", check=False).returncode == 2
    assert json.loads(gateway.cli("logs", "--failed", "--json").stdout)["id"] == lost
    line = gateway.cli("logs", "--recovered").stdout
    assert re.search(r"200 recovered +\d+x  smart->good/m .*key dev  bad 502 bad_gateway", line), line
    following = start(
        Waiting,
        arguments=["logs", "-f", "--failed"],
        environment={**gateway.environment, "GOODGATE_STATE_DIR": str(gateway.state)},
    )
    following.until(lambda: lost in following.said(), "stored call")
    gateway.chat("smart")
    another = gateway.chat("only").headers["x-request-id"]
    following.until(lambda: another in following.said(), "live call")
    assert re.findall(r"req_\w+", following.output.read_text()) == [lost, another]
    gateway.stop()
    assert following.child.wait(30) == DOWN, following.said()


def test_a_provider_is_drained_and_resumed_by_hand(start):
    gateway = two_providers(start)
    assert gateway.chat("smart").headers["x-goodgate-outcome"] == "recovered"
    said = gateway.cli("providers", "drain", "bad", "--for", "30m", "--reason", "deploy").stdout
    assert "out of use for 30 min" in said
    assert "bad\t⊘ drained until " in gateway.cli("providers", "list").stdout
    assert "⊘ bad drained until" in gateway.cli("status").stdout
    assert gateway.chat("smart").headers["x-goodgate-outcome"] == "ok"
    assert "in use again" in gateway.cli("providers", "resume", "bad").stdout
    assert gateway.chat("smart").headers["x-goodgate-outcome"] == "recovered"
    for _ in range(6):
        gateway.chat("only")
    assert "bad\t✗ failing (bad_gateway)\t" in gateway.cli("providers", "list").stdout
    screen = gateway.until(lambda: (said := gateway.cli("status").stdout) and "inc_0001" in said and said, "an incident")
    assert "✗ bad failing (bad_gateway) · ✓ good" in screen, screen
    assert "! inc_0001 bad/m bad_gateway since" in screen, screen
    incident = gateway.cli("explain", "inc_0001").stdout
    assert incident.startswith("inc_0001\nOPEN bad_gateway · group upstream · bad/m\n") and "Fix" in incident, incident
    assert gateway.cli("explain", "inc_0999", check=False).returncode == 5
    missing = gateway.cli("providers", "drain", "nobody", check=False)
    assert missing.returncode == 5 and "nobody" in missing.stderr
    assert gateway.cli("providers", "drain", "bad", "--for", "soon", check=False).returncode == 2
    assert gateway.cli("providers", "list", "-q").stdout == "bad\ngood\n"
    assert "smart\talias\tbad/m, good/m\n" in gateway.cli("models", "list").stdout
    tested = gateway.cli("providers", "test", "good", "--short")
    assert "good  ok" in tested.stdout


# run, env, call


def test_run_sets_the_childs_environment_and_tells_what_it_called(start, tmp_path):
    drill = start(Drill)
    config = tmp_path / "goodgate.yaml"
    config.write_text(f"""
providers: {{ far: {{ type: openai-compatible, base_url: "{drill.url}/v1", api_key: sk-drill-0123456789 }} }}
models: {{ smart: {{ targets: [far/flaky-502] }} }}
""")
    program = tmp_path / "program.py"
    program.write_text("""
import sys, openai
client = openai.OpenAI(max_retries=0)
for number in range(3):
    client.chat.completions.create(model="smart", messages=[{"role": "user", "content": f"{number}"}])
print(client.base_url)
sys.exit(7)
""")
    done = cli(tmp_path, "run", "--config", config, "--", sys.executable, program)
    assert done.returncode == 7, done.stderr
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1/", done.stdout.strip()), done.stdout
    assert done.stderr == "goodgate: 3 calls, 3 recovered, 0 failed, $0\n"
    # The gateway of its own is gone.
    state = tmp_path / ".local/state/goodgate"
    assert cli(tmp_path, "status", "-q", GOODGATE_STATE_DIR=str(state)).returncode == DOWN


def test_run_uses_the_gateway_that_is_there_and_says_whose_calls_it_counts(start):
    gateway = two_providers(start)
    done = gateway.cli("run", "--", "sh", "-c", "echo $OPENAI_BASE_URL $OPENAI_API_KEY")
    assert done.stdout == f"{gateway.url}/v1 {gateway.key}\n"
    assert "0 calls, 0 recovered, 0 failed, $0 (of all callers" in done.stderr
    assert gateway.cli("run", "-q", "--", "false", check=False).returncode == 1
    assert gateway.cli("run", "--", "no-such-program", check=False).returncode == 127


def test_run_passes_signals_on(start):
    gateway = two_providers(start)
    script = "trap 'echo got it; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    running = start(
        Waiting,
        arguments=["run", "--", "sh", "-c", script],
        environment={**gateway.environment, "GOODGATE_STATE_DIR": str(gateway.state)},
    )
    running.until(lambda: "ready" in running.said(), "word of the program")
    running.signal(signal.SIGTERM)
    assert running.child.wait(30) == 9, running.said()
    assert "got it" in running.said()


def test_run_whose_configuration_is_invalid_starts_nothing(tmp_path):
    config = tmp_path / "goodgate.yaml"
    config.write_text("providers: { openai: { nonsense: 1 } }\n")
    done = cli(tmp_path, "run", "--config", config, "--", "touch", tmp_path / "ran")
    assert done.returncode == 3 and "nonsense" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_call_prints_the_answer_and_what_it_took(start):
    gateway = two_providers(start)
    done = gateway.cli("call", "-m", "smart", "hello there")
    assert "hello there" in done.stdout and "req_" not in done.stdout
    assert "200 · recovered" in done.stderr and "good/m" in done.stderr
    told = json.loads(gateway.cli("call", "-m", "smart", "hi", "--json").stdout)
    assert told["whole"] and told["outcome"] == "recovered" and told["request_id"].startswith("req_")
    assert "from a pipe" in gateway.cli("call", "-q", "-m", "smart", "-", text="from a pipe").stdout
    failed = gateway.cli("call", "-m", "only", "hi", check=False)
    assert failed.returncode == 1 and failed.stdout == "" and "bad 502" in failed.stderr


def test_env_speaks_each_shells_language(start):
    gateway = two_providers(start)
    url = f"{gateway.url}/v1"
    assert f"export OPENAI_BASE_URL={url}" in gateway.cli("env").stdout
    assert f"set -gx OPENAI_BASE_URL {url}" in gateway.cli("env", "--shell", "fish").stdout
    assert f"$Env:OPENAI_BASE_URL = '{url}'" in gateway.cli("env", "--shell", "powershell").stdout


def test_explain_takes_a_pasted_error(start, tmp_path):
    gateway = two_providers(start)
    body = gateway.chat("only").text
    request_id = json.loads(body)["error"]["goodgate"]["request_id"]
    gateway.explain(request_id)
    assert f"{request_id}\nFAILED 502 bad_gateway" in gateway.cli("explain", "-", text=f"Error code: 502 - {body}").stdout
    alone = cli(tmp_path, "explain", "-", text=f"data: {body}\n\n")
    assert alone.returncode == 0 and alone.stdout.startswith("bad_gateway (upstream fault)"), alone.stdout
    assert cli(tmp_path, "explain", "-", text="nothing of ours").returncode == 5


# init, completion, drill


def test_init_writes_what_check_accepts(tmp_path):
    environment = {"OPENAI_API_KEY": "sk-secret-0123456789"}
    done = cli(tmp_path, "init", **environment)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "goodgate.yaml").read_text()
    assert "OPENAI_API_KEY (…6789)" in text and "sk-secret" not in text
    assert cli(tmp_path, "check", **environment).returncode == 0
    again = cli(tmp_path, "init", **environment)
    assert again.returncode == 1 and "--force" in again.stderr
    assert cli(tmp_path, "init", "--force", **environment).returncode == 0
    assert cli(tmp_path, "init", "-o", "-", **environment).stdout == text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completions_know_the_verbs(shell, tmp_path):
    done = cli(tmp_path, "completion", shell)
    assert done.returncode == 0 and "doctor" in done.stdout and done.stderr == ""


def test_a_drill_plays_one_fault_without_a_script(start, tmp_path):
    drill = start(Drill, "one", "--fault", "html-502")
    done = cli(tmp_path, "doctor", drill.url, "--short")
    assert done.returncode == 1 and "http: bad_gateway" in done.stdout
    unknown = cli(tmp_path, "drill", "--fault", "html-503")
    assert unknown.returncode == 3 and "html-502" in unknown.stderr
    assert cli(tmp_path, "drill", "--tls", "nonsense").returncode == 2


# manners


def test_colours_and_signs_follow_the_terminal(start, tmp_path):
    drill = start(Drill)
    arguments = ["doctor", drill.url, "--short"]
    coloured, _ = on_terminal(tmp_path, 100, *arguments)
    assert "\x1b[32m✓\x1b[0m" in coloured
    plain, _ = on_terminal(tmp_path, 100, *arguments, NO_COLOR="1")
    assert "\x1b" not in plain and "✓" in plain
    ascii_only, _ = on_terminal(tmp_path, 100, *arguments, LC_ALL="C")
    assert "✓" not in ascii_only and ascii_only.isascii()
    assert "\x1b" not in cli(tmp_path, *arguments).stdout


def test_a_reader_that_leaves_is_no_panic(start):
    gateway = two_providers(start)
    child = subprocess.Popen(
        [str(BINARY), "status"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**gateway.environment, "GOODGATE_STATE_DIR": str(gateway.state)},
    )
    child.stdout.close()
    select.select([child.stderr], [], [], 20)
    assert b"panic" not in child.stderr.read()
    assert child.wait(20) == 0
