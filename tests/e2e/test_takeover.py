"""A new version takes over while calls come and streams run: nobody is refused, nothing is cut.

`python tests/e2e/test_takeover.py BINARY` measures it at 500 calls a second and 200 open streams.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time

import load
import pytest
from processes import BINARY, Drill, Gateway, clean_environment, free_port

ANSWER = "The whole answer."
# A stream of this many words, 50 ms apart, outlives the hand-over.
WORDS = " ".join(f"word{n}" for n in range(100))

CONFIG = """
server: {{ workers: 2 }}
providers:
  far: {{ type: openai-compatible, base_url: "{url}/v1", api_key: sk-drill }}
"""


def script(folder):
    """A drill that answers at once, or streams for five seconds."""
    pieces = [word + " " for word in WORDS.split(" ")]
    pieces[-1] = pieces[-1].strip()
    rules = [
        {"when": {"model": "long"}, "reply": {"text": WORDS, "pieces": pieces}, "pace_ms": 50},
        {"reply": {"text": ANSWER}},
    ]
    path = folder / "script.json"
    path.write_text(json.dumps({"rules": rules}))
    return path


class Successive(Gateway):
    """A gateway whose successors belong to it: what it started ends with it."""

    def pid(self):
        """Who holds the folder."""
        owner = (self.state / "lock").read_text().splitlines()[0]
        return int(owner.split(",")[0].removeprefix("pid "))

    def stop(self):
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.child.wait(10)


async def under_load(gateway, calls_a_second, streams, seconds, act):
    """Calls and streams; in the middle `act()`. Half of the calls come on connections that are kept."""
    quick, long = load.Tally(), load.Tally()
    end = time.monotonic() + seconds
    kept = [load.Connection("127.0.0.1", gateway.port) for _ in range(20)]

    async def once():
        connection = kept.pop() if kept and len(quick.seconds) % 2 else load.Connection("127.0.0.1", gateway.port)
        quick.add(await load.call(connection, gateway.key, "far/quick", ANSWER))
        if len(kept) < 20:
            kept.append(connection)
        else:
            connection.close()

    async def stream():
        connection = load.Connection("127.0.0.1", gateway.port)
        long.add(await load.call(connection, gateway.key, "far/long", WORDS, stream=True))
        connection.close()

    open_streams = [asyncio.create_task(stream()) for _ in range(streams)]

    async def in_the_middle():
        await asyncio.sleep(seconds / 3)
        await asyncio.to_thread(act)

    acting = asyncio.create_task(in_the_middle())
    await load.at_rate(calls_a_second, lambda: time.monotonic() > end and acting.done(), once)
    await acting
    await asyncio.gather(*open_streams)
    return quick, long


def take_over(gateway):
    """Asks for the hand-over and waits until another process accepts."""
    before = gateway.pid()
    gateway.signal(signal.SIGUSR2)
    gateway.until(lambda: gateway.pid() != before, "successor")


@pytest.fixture
def far(tmp_path):
    """A drill with the script."""
    drill = Drill(tmp_path / "drill", "--script", script(tmp_path))
    yield drill
    drill.stop()


def test_under_load_nobody_is_refused_and_nothing_is_cut(start, far):
    gateway = start(Successive, config=CONFIG.format(url=far.url))
    old = gateway.pid()
    quick, long = asyncio.run(under_load(gateway, 40, 20, 6, lambda: take_over(gateway)))
    assert set(quick.kinds) == {load.WHOLE}, (str(quick), quick.examples)
    assert set(long.kinds) == {load.WHOLE}, (str(long), long.examples)
    # All is done: the old one ends by itself, and all its calls are in the books of the new one.
    assert gateway.child.wait(30) == 0, gateway.said()
    assert gateway.pid() != old
    assert "took over from goodgate" in gateway.said()
    expected = len(quick.seconds) + len(long.seconds)
    assert gateway.chat("far/quick").status_code == 200
    deadline = time.monotonic() + 10
    while (counted := gateway.admin("/api/v1/counts").json()["calls"]) != expected + 1:
        assert time.monotonic() < deadline, f"{counted} of {expected + 1} calls are counted"


def serve(gateway, *arguments, listen=None):
    """Another `goodgate serve` on the same folder, to its end."""
    command = [BINARY, "serve", "--listen", listen or gateway.host, "--state", gateway.state, *arguments]
    return subprocess.run(
        list(map(str, command)), env=gateway.environment, capture_output=True, text=True, timeout=30
    )


def test_a_new_version_that_fails_leaves_the_old_one_alone(start, far, tmp_path):
    gateway = start(Successive, config=CONFIG.format(url=far.url))
    old = gateway.pid()
    # One that has a mistake in its configuration does not even ask.
    broken = tmp_path / "broken.yaml"
    broken.write_text("providers: { far: { type: nothing } }")
    assert serve(gateway, "--takeover", "--config", broken).returncode == 3
    # One that cannot listen where its configuration says has asked already.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = tmp_path / "busy.yaml"
        busy.write_text(CONFIG.format(url=far.url) + f"admin: {{ listen: 127.0.0.1:{taken.getsockname()[1]} }}\n")
        ended = serve(gateway, "--takeover", "--config", busy)
    assert ended.returncode == 1 and "is in use" in ended.stderr, ended.stderr
    gateway.until(lambda: "did not take over; this one goes on" in gateway.said(), "word of it")
    # One that dies with the sockets in its hands.
    with socket.socket(socket.AF_UNIX) as dying:
        dying.settimeout(10)
        dying.connect(str(gateway.state / "handover.sock"))
        dying.sendall(b'{"words":1,"version":"9.9.9"}\n')
        words, descriptors, _, _ = socket.recv_fds(dying, 4096, 3)
        assert json.loads(words)["descriptors"] == ["lock", "door"]
        assert len(descriptors) == 2
        for descriptor in descriptors:
            os.close(descriptor)
    gateway.until(lambda: gateway.said().count("this one goes on") == 2, "word of it")
    # One that speaks another language.
    with socket.socket(socket.AF_UNIX) as strange:
        strange.settimeout(10)
        strange.connect(str(gateway.state / "handover.sock"))
        strange.sendall(b'{"words":2,"version":"9.9.9"}\n')
        assert strange.recv(100) == b""
    # After all of that it serves, and can be taken over from.
    assert gateway.pid() == old
    assert gateway.chat("far/quick").json()["choices"][0]["message"]["content"] == ANSWER
    take_over(gateway)
    assert gateway.chat("far/quick").status_code == 200


def test_a_second_gateway_is_told_of_the_way_to_replace_the_first(start, far):
    gateway = start(Successive, config=CONFIG.format(url=far.url))
    ended = serve(gateway, listen=f"127.0.0.1:{free_port()}")
    assert ended.returncode == 1
    assert f"pid {gateway.pid()}" in ended.stderr and "--takeover" in ended.stderr, ended.stderr


def test_a_takeover_from_nobody_is_an_ordinary_start(start, far):
    gateway = start(Gateway, config=CONFIG.format(url=far.url), arguments=["--takeover"])
    assert gateway.chat("far/quick").status_code == 200
    gateway.kill()
    # The socket that a crash leaves behind leads to nobody.
    assert (gateway.state / "handover.sock").exists()
    again = start(Gateway, name="gateway0", config=CONFIG.format(url=far.url), arguments=["--takeover"])
    assert again.chat("far/quick").status_code == 200


def test_systemd_passes_the_socket_and_is_told(tmp_path, far):
    """The socket is open before the gateway is: who comes early waits, and is answered."""
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(tmp_path / "notify"))
    notify.settimeout(20)
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        early = socket.create_connection(("127.0.0.1", port), timeout=20)
        early.sendall(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        config = tmp_path / "goodgate.yaml"
        config.write_text(CONFIG.format(url=far.url))
        environment = clean_environment(
            HOME=str(tmp_path),
            LISTEN_FDS="1",
            LISTEN_FDNAMES="goodgate.socket",
            NOTIFY_SOCKET=str(tmp_path / "notify"),
            WATCHDOG_USEC="1000000",
        )
        # As systemd does it: the socket is number 3, and only the process itself knows its own number.
        become = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); "
            "os.execv(sys.argv[2], sys.argv[2:])"
        )
        command = [sys.executable, "-c", become, door.fileno(), BINARY, "serve"]
        command += ["--config", config, "--state", tmp_path / "state"]
        child = subprocess.Popen(
            list(map(str, command)), env=environment, pass_fds=[door.fileno()], start_new_session=True
        )
        try:
            assert early.recv(4096).startswith(b"HTTP/1.1 200 OK")
            heard = [notify.recv(100) for _ in range(3)]
            assert sorted(set(heard)) == [b"READY=1", b"WATCHDOG=1"], heard
            # The next one is the service's main process, and feeds its watchdog.
            child.send_signal(signal.SIGUSR2)
            heard = []
            while not heard or not heard[-1].startswith(b"MAINPID="):
                heard.append(notify.recv(100))
            successor = int(heard[-1].removeprefix(b"MAINPID="))
            assert child.wait(20) == 0
            assert notify.recv(100)
            os.kill(successor, signal.SIGTERM)
            while notify.recv(100) != b"STOPPING=1":
                pass
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def measure(binary):
    """The full measure: 500 calls a second, 200 streams, three hand-overs; prints what it came to."""
    import pathlib
    import tempfile

    import processes

    processes.BINARY = pathlib.Path(binary).resolve()
    globals()["BINARY"] = processes.BINARY
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        far = Drill(folder / "drill", "--script", script(folder))
        try:
            for turn in range(3):
                measured(Successive(folder / f"gateway{turn}", config=CONFIG.format(url=far.url)), turn)
        finally:
            far.stop()


def measured(gateway, turn):
    started = time.monotonic()
    try:
        quick, long = asyncio.run(under_load(gateway, 500, 200, 12, lambda: take_over(gateway)))
    finally:
        gateway.stop()
    rate = len(quick.seconds) / (time.monotonic() - started)
    print(f"hand-over {turn + 1}: {len(quick.seconds)} calls ({rate:.0f}/s): {quick}", flush=True)
    print(f"             {len(long.seconds)} streams: {long}", flush=True)
    for tally in (quick, long):
        for examples in tally.examples.values():
            print("             ", *examples, sep="\n")


if __name__ == "__main__":
    measure(sys.argv[1])
