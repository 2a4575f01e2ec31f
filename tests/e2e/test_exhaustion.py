"""What runs out: descriptors, the disk, the log's reader. Calls go on where they can, and all comes back by itself."""

import contextlib
import json
import pathlib
import resource
import socket
import sqlite3
import subprocess
import time

import pytest
from processes import BINARY, Drill, Gateway

CONFIG = """
server: {{ workers: 1 }}
providers:
  far: {{ type: openai-compatible, base_url: "{url}/v1", api_key: sk-drill }}
"""


def limit(gateway, what, soft):
    """Lowers a limit of a running process, or raises it again."""
    _, hard = resource.prlimit(gateway.child.pid, what)
    resource.prlimit(gateway.child.pid, what, (soft, hard))


def lowest_free(gateway):
    """The number that the next descriptor gets."""
    taken = {int(entry.name) for entry in pathlib.Path(f"/proc/{gateway.child.pid}/fd").iterdir()}
    return next(number for number in range(len(taken) + 1) if number not in taken)


def exchange(connection, gateway, model="far/echo"):
    """A call on an open connection: status, code and body."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}]}).encode()
    connection.sendall(
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {gateway.host}\r\nauthorization: Bearer {gateway.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, rest = received.partition(b"\r\n\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
    while len(rest) < int(headers["content-length"]):
        rest += connection.recv(65536)
    return int(head.split(b" ")[1]), headers.get("x-goodgate-code"), json.loads(rest)


def test_without_descriptors_clients_are_told_and_nothing_spins(start, drill):
    gateway = start(Gateway, config=CONFIG.format(url=drill.url))
    with contextlib.ExitStack() as open_ones:
        # Open before the shortage: what it can still do is a matter of the upstream's socket.
        inside = open_ones.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=20))
        inside.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        assert inside.recv(4096).startswith(b"HTTP/1.1 200")
        limit(gateway, resource.RLIMIT_NOFILE, lowest_free(gateway))
        status, code, body = exchange(inside, gateway)
        assert (status, code) == (503, "resource_exhausted"), body
        assert body["error"]["goodgate"]["origin"] == "gateway", body
        # Who connects now waits for a second, then is told.
        outside = open_ones.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=20))
        started = time.monotonic()
        status, code, body = exchange(outside, gateway)
        assert (status, code) == (503, "resource_exhausted"), body
        assert outside.recv(1) == b"", "and the connection is closed in order"
        assert time.monotonic() - started > 0.5
        # Many wait: it neither spins nor floods the log.
        for _ in range(50):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=20))
        before = used_cpu(gateway)
        started = time.monotonic()
        # One answer a fiftieth of a second at most: two seconds' worth of them is watched, and costs next to nothing.
        gateway.until(lambda: time.monotonic() - started > 2, "two seconds")
        assert used_cpu(gateway) - before < 0.5
        assert gateway.said().count("connections cannot be accepted") == 1
        limit(gateway, resource.RLIMIT_NOFILE, 1024)
        # Once a second it looks what is left; until then it leaves calls out.
        gateway.until(lambda: exchange(inside, gateway)[0] == 200, "an answer after the shortage")
    assert gateway.chat("far/echo").status_code == 200


def used_cpu(gateway):
    fields = open(f"/proc/{gateway.child.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_at_the_start_as_many_descriptors_are_asked_for_as_there_may_be(start, drill):
    gateway = start(Gateway, config=CONFIG.format(url=drill.url))
    soft, hard = resource.prlimit(gateway.child.pid, resource.RLIMIT_NOFILE)
    assert soft == hard


def test_on_a_full_disk_calls_go_on_and_are_counted(start, drill):
    """A file that may not grow stands for a disk that is full; both are a write that fails."""
    gateway = start(Gateway, config=CONFIG.format(url=drill.url))
    assert gateway.chat("far/echo").status_code == 200
    gateway.until(lambda: gateway.admin("/api/v1/requests").json()["requests"], "the first row")
    limit(gateway, resource.RLIMIT_FSIZE, 0)
    for _ in range(20):
        assert gateway.chat("far/echo").status_code == 200
    status = gateway.until(lambda: storage(gateway)["trouble"] and storage(gateway), "alarm")
    assert status["queued"] >= 1
    assert gateway.admin("/api/v1/counts").json()["calls"] == 21
    limit(gateway, resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)
    gateway.until(lambda: storage(gateway)["trouble"] is None, "recovery")
    gateway.until(lambda: len(gateway.admin("/api/v1/requests").json()["requests"]) == 21, "all rows")
    assert "calls are stored again" in gateway.said()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_on_a_disk_that_fills_up_and_is_cleared_nothing_is_lost(start, drill, small_disk):
    config = CONFIG.format(url=drill.url) + f"storage: {{ url: 'sqlite://{small_disk}/goodgate.db' }}\n"
    gateway = start(Gateway, config=config)
    assert gateway.chat("far/echo").status_code == 200
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    # The journal's own file grows in pages that it may have already: as many calls as it takes.
    made = 1

    def refused():
        nonlocal made
        made += 1
        assert gateway.chat("far/echo", "long " * 200).status_code == 200
        return storage(gateway)["trouble"]

    assert "full" in gateway.until(refused, "full disk")
    assert gateway.said().count("calls cannot be stored") == 1
    filler.unlink()
    gateway.until(lambda: storage(gateway)["trouble"] is None, "recovery")
    assert "calls are stored again" in gateway.said()
    gateway.until(lambda: storage(gateway)["queued"] == 0, "empty queue")
    counts = gateway.admin("/api/v1/counts").json()
    assert (counts["calls"], counts["not_kept"]) == (made, 0)


def storage(gateway):
    return gateway.admin("/api/v1/status").json()["storage"]


def test_when_nobody_takes_the_log_calls_go_on(start, drill, tmp_path):
    """Standard output and error on a full disk: neither a call nor the process ends for it."""
    folder = tmp_path / "gateway"
    folder.mkdir()
    for name in ("gateway.out", "gateway.err"):
        (folder / name).symlink_to("/dev/full")
    gateway = start(Gateway, name="gateway", config=CONFIG.format(url=drill.url))
    for _ in range(5):
        assert gateway.chat("far/echo").status_code == 200
    gateway.config.write_text("providers: [")
    gateway.signal(1)
    assert gateway.chat("far/echo").status_code == 200
    assert gateway.stop() == 0


def serve_fails(state, drill, tmp_path):
    """Starts on a folder; gives its exit code and its last words."""
    config = tmp_path / "goodgate.yaml"
    config.write_text(CONFIG.format(url=drill.url))
    command = [BINARY, "serve", "--listen", "127.0.0.1:0", "--config", config, "--state", state]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=30)
    return done.returncode, done.stderr


@pytest.mark.parametrize("file", ["goodgate.db", "goodgate-calls.db"])
def test_a_damaged_store_is_named_with_what_to_do(start, drill, tmp_path, file):
    gateway = start(Gateway, config=CONFIG.format(url=drill.url))
    assert gateway.chat("far/echo").status_code == 200
    gateway.stop()
    for rest in gateway.state.glob(f"{file}-*"):
        rest.unlink()
    damaged = gateway.state / file
    damaged.write_bytes(b"\x00garbage" * 4096)
    code, words = serve_fails(gateway.state, drill, tmp_path)
    assert code == 1
    assert str(damaged) in words and "damaged" in words and "Move it away" in words, words
    # What it says helps.
    damaged.rename(gateway.state / f"{file}.damaged")
    again = gateway.restart()
    assert again.chat("far/echo").status_code == 200
    again.stop()


def test_a_store_whose_pages_are_damaged_is_found_at_the_start(start, drill, tmp_path):
    gateway = start(Gateway, config=CONFIG.format(url=drill.url))
    for _ in range(5):
        assert gateway.chat("far/echo").status_code == 200
    gateway.stop()
    path = gateway.state / "goodgate-calls.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x55" * (len(content) - 4096)
    path.write_bytes(content)
    code, words = serve_fails(gateway.state, drill, tmp_path)
    assert code == 1 and "damaged" in words, words


def test_a_folder_that_cannot_be_written_is_named(drill, tmp_path):
    code, words = serve_fails("/proc/goodgate", drill, tmp_path)
    assert code == 1
    assert "/proc/goodgate" in words and "--state" in words, words
