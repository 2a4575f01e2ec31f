"""What signals do to a gateway whose streams run."""

import asyncio
import json
import signal
import socket
import time

import httpx
import load
import pytest
from processes import HANGUP, Drill, Gateway

WORDS = " ".join(f"word{n}" for n in range(40))

CONFIG = """
server: {{ {server} }}
providers:
  far: {{ type: openai-compatible, base_url: "{url}/v1", api_key: sk-drill }}
"""


@pytest.fixture
def far(tmp_path):
    """A drill whose every stream takes two seconds, and whose model `never` begins and does not end."""
    pieces = [word + " " for word in WORDS.split(" ")]
    pieces[-1] = pieces[-1].strip()
    reply = {"text": WORDS, "pieces": pieces}
    rules = [{"when": {"model": "never"}, "fault": "stall-after-event", "reply": reply}, {"reply": reply, "pace_ms": 50}]
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"rules": rules}))
    drill = Drill(tmp_path / "drill", "--script", path)
    yield drill
    drill.stop()


def while_streams_run(gateway, model, count, act):
    """Starts streams, acts once all of them run, and gives what they came to."""

    async def all_of_them():
        made = [load.Connection("127.0.0.1", gateway.port) for _ in range(count)]
        calls = [load.call(connection, gateway.key, model, WORDS, stream=True) for connection in made]
        streams = [asyncio.create_task(one) for one in calls]

        def running():
            return gateway.admin("/api/v1/status").json()["in_flight"] == count

        await asyncio.to_thread(gateway.until, running, "running streams")
        await asyncio.to_thread(act)
        return await asyncio.gather(*streams)

    return asyncio.run(all_of_them())


def test_a_reload_leaves_running_streams_alone_and_a_bad_one_everything(start, far):
    config = CONFIG.format(server="workers: 1", url=far.url)
    gateway = start(Gateway, config=config)

    def reload():
        before = gateway.admin("/api/v1/status").json()["config"]["version"]
        gateway.config.write_text("providers: [")
        gateway.signal(HANGUP)
        gateway.until(lambda: "was not reloaded" in gateway.said(), "refusal of the bad configuration")
        # The provider of the running streams is gone from the next one.
        gateway.config.write_text(config.replace("far:", "other:"))
        gateway.signal(HANGUP)
        version = lambda: gateway.admin("/api/v1/status").json()["config"]["version"]
        gateway.until(lambda: version() > before, "next version")

    answers = while_streams_run(gateway, "far/slowly", 10, reload)
    assert [answer.kind for answer in answers] == [load.WHOLE] * 10, answers
    assert gateway.chat("far/slowly").status_code == 404
    assert gateway.chat("other/slowly").status_code == 200


def test_a_gateway_that_is_told_to_end_sees_its_streams_through(start, far):
    gateway = start(Gateway, config=CONFIG.format(server="workers: 1, drain_delay: 1s", url=far.url))

    def end():
        gateway.signal(signal.SIGTERM)
        gateway.until(lambda: not gateway.is_up(), "failing readiness")
        # Whoever has not noticed yet is served.
        assert gateway.chat("far/slowly").status_code == 200

    started = time.monotonic()
    answers = while_streams_run(gateway, "far/slowly", 10, end)
    assert [answer.kind for answer in answers] == [load.WHOLE] * 10, answers
    assert gateway.child.wait(20) == 0
    assert time.monotonic() - started < 25
    with pytest.raises(httpx.ConnectError):
        gateway.chat("far/slowly")


def test_a_second_signal_ends_streams_with_a_word(start, far):
    gateway = start(Gateway, config=CONFIG.format(server="workers: 1", url=far.url))

    def end():
        gateway.signal(signal.SIGTERM)
        gateway.until(lambda: "calls are running" in gateway.said(), "drain")
        gateway.signal(HANGUP)
        gateway.signal(signal.SIGTERM)

    answers = while_streams_run(gateway, "far/never", 5, end)
    assert [(answer.kind, answer.code) for answer in answers] == [(load.TOLD, "shutting_down")] * 5, answers
    assert gateway.child.wait(10) == 0


def test_streams_end_with_a_word_when_their_time_is_over(start, far):
    gateway = start(Gateway, config=CONFIG.format(server="workers: 1, drain: 0s, drain_streams: 1s", url=far.url))
    answers = while_streams_run(gateway, "far/never", 5, lambda: gateway.signal(signal.SIGINT))
    assert [(answer.kind, answer.code) for answer in answers] == [(load.TOLD, "shutting_down")] * 5, answers
    assert gateway.child.wait(10) == 0


def test_the_signal_to_quit_waits_for_nobody(start, far):
    gateway = start(Gateway, config=CONFIG.format(server="workers: 1", url=far.url))
    answers = while_streams_run(gateway, "far/never", 2, lambda: gateway.signal(signal.SIGQUIT))
    assert [answer.kind for answer in answers] == [load.CUT] * 2, answers
    assert gateway.child.wait(10) == 0


def test_an_idle_connection_does_not_hold_up_the_end(start, far):
    gateway = start(Gateway, config=CONFIG.format(server="workers: 1", url=far.url))
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as idle:
        idle.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        assert idle.recv(4096).startswith(b"HTTP/1.1 200")
        gateway.signal(signal.SIGTERM)
        assert gateway.child.wait(5) == 0
        assert idle.recv(1) == b"", "closed in order"
