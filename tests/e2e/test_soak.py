"""A gateway under mixed faults for a while: no answer lies, nothing leaks, memory stays flat.

The test is the short form. `python tests/e2e/test_soak.py BINARY SECONDS` is the long one (`make soak`), which prints what it
sees as it goes.
"""

import asyncio
import json
import os
import pathlib
import random
import signal
import sys
import tempfile
import time

import load
from processes import Drill, Gateway

ANSWER = "One answer of a few words, which must come whole or not at all: 0123456789."

# What an upstream may do to a call. Stalls are few, since each holds a call for as long as a timer.
FAULTS = """
openai-rate-limited openai-internal-error openai-overloaded openai-insufficient-quota openai-invalid-request html-502 nginx-503
awselb-504 cloudflare-520 envoy-upstream-reset draining-503 retry-after-nonsense redirect-login delay-body drip-body
stall-before-head stall-after-event reset-before-head reset-mid-head reset-mid-body reset-after-event close-before-head
close-after-head close-mid-body close-after-event close-before-end length-too-large length-differing chunk-bad-size
chunk-short-chunk chunk-no-last garbage bad-status huge-header early-hints close-delimited http10 gzip bad-gzip truncated-gzip
empty-200 cut-json html-200 wrong-shape-200 error-in-200 invalid-utf8-200 stream-no-terminal stream-no-done stream-empty
stream-malformed-json stream-error-first stream-error-mid stream-html-mid stream-whole-json stream-crlf keep-alive-close-after
keep-alive-close-on-next keep-alive-reset-on-next
""".split()

# The part of the calls that meets a fault; the rest goes to an upstream that is well.
BAD_SHARE = 0.4

CONFIG = """
server: { workers: 2 }
providers:
  bad:  { type: openai-compatible, base_url: "BAD/v1", api_key: sk-drill }
  good: { type: openai-compatible, base_url: "GOOD/v1", api_key: sk-drill }
models:
MODELS
resilience:
  timeout: { connect: 2s, response_header: 2s, first_token: 2s, idle: 2s, total: 15s }
  retry: { backoff: { initial: 20ms, max: 200ms } }
errors: { detail: full }
"""


def config(bad, good):
    """For each fault a route of one target, and one whose second target is well."""
    models = ["  fine: { targets: [good/plain] }"]
    for fault in FAULTS:
        models += [
            f"  solo-{fault}: {{ targets: [bad/{fault}] }}",
            f"  pair-{fault}: {{ targets: [bad/{fault}, good/plain] }}",
        ]
    text = CONFIG.replace("BAD", bad.url).replace("GOOD", good.url)
    return text.replace("MODELS", "\n".join(models))


def script(path):
    pieces = [word + " " for word in ANSWER.split(" ")]
    pieces[-1] = pieces[-1].strip()
    reply = {"text": ANSWER, "pieces": pieces}
    rules = [{"when": {"model": fault}, "fault": fault, "reply": reply} for fault in FAULTS]
    path.write_text(json.dumps({"rules": [*rules, {"reply": reply}]}))
    return path


class Watched:
    """What the system says of a process."""

    def __init__(self, pid):
        self.folder = pathlib.Path(f"/proc/{pid}")

    def descriptors(self):
        return len(list((self.folder / "fd").iterdir()))

    def field(self, name):
        for line in (self.folder / "status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
        raise AssertionError(f"no {name}")

    def memory(self):
        """Resident, in MiB."""
        return self.field("VmRSS") / 1024

    def threads(self):
        return self.field("Threads")

    def cpu(self):
        """Seconds of a processor used so far."""
        fields = (self.folder / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Soak:
    """Rounds of mixed calls with pauses in between, in which all must have come to rest."""

    def __init__(self, folder, calls_a_second, seed):
        self.rate, self.random = calls_a_second, random.Random(seed)
        self.bad = Drill(folder / "bad", "--script", script(folder / "script.json"))
        self.good = Drill(folder / "good", "--script", folder / "script.json")
        self.gateway = Gateway(folder / "gateway", config=config(self.bad, self.good))
        self.watched = Watched(self.gateway.child.pid)
        self.tally, self.left = load.Tally(), 0
        self.kept, self.turn = [], 0

    def stop(self):
        for process in (self.gateway, self.bad, self.good):
            process.stop()

    def connection(self):
        return self.kept.pop() if self.kept else load.Connection("127.0.0.1", self.gateway.port)

    async def once(self):
        """A call, or one whose client leaves in the middle."""
        kind = "fine"
        if self.random.random() < BAD_SHARE:
            kind = self.random.choice(["solo-", "pair-"]) + self.random.choice(FAULTS)
        stream = self.random.random() < 0.5
        if self.random.random() < 0.05:
            return await self.leave(kind)
        connection = self.connection()
        answer = await load.call(connection, self.gateway.key, kind, ANSWER, stream=stream)
        self.tally.add(answer, f"{kind} stream={stream}")
        if connection.writer is not None and len(self.kept) < 20:
            self.kept.append(connection)
        else:
            connection.close()

    async def leave(self, model):
        """Sends a call, and closes before its answer can be whole."""
        body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "hi"}]})
        connection = load.Connection("127.0.0.1", self.gateway.port)
        await connection.open()
        connection.writer.write(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.gateway.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
        )
        await asyncio.sleep(self.random.random() / 20)
        connection.close()
        self.left += 1

    async def round(self, seconds):
        """Calls for so long; meanwhile the configuration is read again, a bad one too."""
        end = time.monotonic() + seconds
        good = self.gateway.config.read_text()

        async def reload():
            await asyncio.sleep(seconds / 4)
            self.gateway.config.write_text("providers: [")
            self.gateway.signal(signal.SIGHUP)
            await asyncio.sleep(seconds / 4)
            self.gateway.config.write_text(good)
            self.gateway.signal(signal.SIGHUP)

        reloading = asyncio.create_task(reload())
        await load.at_rate(self.rate, lambda: time.monotonic() > end, self.once)
        await reloading
        for connection in self.kept:
            connection.close()
        self.kept.clear()

    def rest(self):
        """Waits until nothing runs any more; what is then in use is the gateway's own and its idle connections'."""
        until = time.monotonic() + 30
        while running := self.gateway.admin("/api/v1/status").json()["in_flight"]:
            assert time.monotonic() < until, f"{running} calls still run, 30 s after the last one was answered"
            time.sleep(0.05)
        return self.watched.descriptors(), self.watched.memory(), self.watched.threads()

    def verdict(self):
        """Raises where an answer lied or was lost without a word."""
        dishonest = set(self.tally.kinds) - {load.WHOLE, load.TOLD}
        assert not dishonest, (str(self.tally), [self.tally.examples[kind] for kind in dishonest])
        errors = [line for line in self.gateway.said().splitlines() if "panic" in line]
        assert not errors, errors


def soak(folder, seconds, calls_a_second, rounds, report=print, seed=None):
    """Runs it all; gives the soak, stopped, after it was found good."""
    seed = random.randrange(2**32) if seed is None else seed
    report(f"seed {seed}")
    running = Soak(pathlib.Path(folder), calls_a_second, seed)
    try:
        seen, started = [], time.monotonic()
        for number in range(rounds):
            asyncio.run(running.round(seconds / rounds))
            seen.append(running.rest())
            descriptors, memory, threads = seen[-1]
            core = running.watched.cpu() / (time.monotonic() - started)
            report(
                f"round {number + 1}/{rounds}, {time.monotonic() - started:.0f} s: {running.tally}; {running.left} clients "
                f"left; at rest {descriptors} descriptors, {memory:.1f} MiB, {threads} threads; {core:.2f} of a core"
            )
            running.verdict()
        # The first third fills pools, caches and tables; from there on nothing may grow.
        warm, last = seen[max(1, rounds // 3) - 1], seen[-1]
        assert last[0] <= warm[0] + 16, f"descriptors grew: {seen}"
        assert last[1] <= warm[1] * 1.1 + 6, f"memory grew: {seen}"
        assert last[2] <= warm[2], f"threads grew: {seen}"
        counts = running.gateway.admin("/api/v1/counts").json()
        sent = len(running.tally.seconds)
        assert sent <= counts["calls"] <= sent + running.left, (counts, sent, running.left)
        report(f"good: {sent} answers, {counts['attempts']} attempts, descriptors {[s[0] for s in seen]}")
        return running
    finally:
        running.stop()


def test_mixed_faults_for_a_minute_leave_no_trace(tmp_path):
    seconds = int(os.environ.get("GOODGATE_SOAK_SECONDS", "60"))
    soak(tmp_path, seconds, calls_a_second=40, rounds=3)


if __name__ == "__main__":
    import processes

    processes.BINARY = pathlib.Path(sys.argv[1]).resolve()
    length = int(sys.argv[2]) if len(sys.argv) > 2 else 1800
    rate = int(sys.argv[3]) if len(sys.argv) > 3 else 50
    with tempfile.TemporaryDirectory() as place:
        soak(place, length, rate, rounds=max(3, length // 60), report=lambda line: print(line, flush=True))
