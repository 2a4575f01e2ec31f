"""A client that makes many calls at once and believes nothing: each answer is compared with what the drill was told to say.

It speaks HTTP/1.1 by itself, so that it knows how an answer ended, and costs a fraction of what an SDK would.
"""

import asyncio
import collections
import dataclasses
import json
import time

# What an answer came to. All but the last two are honest.
WHOLE = "whole"  # all of the text, and the end that the protocol demands
TOLD = "told"  # an error of ours: a status with a code, or an error event in a stream
REFUSED = "refused"  # no connection
CUT = "cut"  # the connection ended in the middle of an answer: seen by any client, but no word of why
TRUNCATED = "truncated as success"  # an end as of a whole answer, but it is not the whole one, or nobody can read it
SILENT = "silent"  # nothing for longer than anybody waits


@dataclasses.dataclass
class Answer:
    """How one call ended."""

    kind: str
    status: int = 0
    code: str = ""
    seconds: float = 0.0
    detail: str = ""


class Connection:
    """One connection, used for one call after another for as long as the gateway says."""

    def __init__(self, host, port):
        self.host, self.port = host, port
        self.reader = self.writer = None

    async def open(self):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


async def read_head(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
    return int(head[0].split(" ")[1]), headers


async def read_body(reader, headers, seen):
    """Reads a body piece by piece into `seen`; an end that comes too early is an IncompleteReadError."""
    if headers.get("transfer-encoding") == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
            seen += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    else:
        seen += await reader.readexactly(int(headers.get("content-length", 0)))


def data_of(event):
    """The data lines of a server-sent event."""
    return [line[5:].removeprefix(" ") for line in event.split("\n") if line.startswith("data:")]


def judge(status, headers, body, streamed, wanted):
    """What a completely framed answer came to."""
    if status != 200:
        # Ours, or the upstream's own words where it says that the request is wrong.
        error = json.loads(body)["error"]
        code = error.get("goodgate", {}).get("code") or error.get("type") or ""
        return Answer(TOLD, status, code, detail=body[:200].decode(errors="replace"))
    if "event-stream" not in headers.get("content-type", ""):
        text = json.loads(body)["choices"][0]["message"]["content"]
        return Answer(WHOLE if text == wanted else TRUNCATED, status, detail=text[:100])
    data = ["\n".join(event) for event in map(data_of, body.decode().replace("\r\n", "\n").split("\n\n")) if event]
    events = [json.loads(line) for line in data if line != "[DONE]"]
    errors = [event["error"] for event in events if "error" in event]
    if errors:
        code = errors[0].get("goodgate", {}).get("code", "")
        done = "[DONE]" in data
        return Answer(TRUNCATED if done or not code else TOLD, status, code, detail="after an error: [DONE]" * done)
    text = "".join((choice.get("delta") or {}).get("content") or "" for e in events for choice in e.get("choices", []))
    ended = "[DONE]" in data and streamed
    return Answer(WHOLE if ended and text == wanted else TRUNCATED, status, detail=f"{ended=} {text[-100:]!r}")


async def call(connection, key, model, wanted, stream=False, patience=60):
    """One chat call, judged."""
    start = time.monotonic()
    answer = await judged(connection, key, model, wanted, stream, patience)
    answer.seconds = time.monotonic() - start
    if answer.kind in (CUT, SILENT, REFUSED):
        connection.close()
    return answer


async def judged(connection, key, model, wanted, stream, patience):
    body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {connection.host}:{connection.port}\r\n"
        f"authorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    seen = bytearray()
    try:
        await connection.open()
    except OSError as error:
        return Answer(REFUSED, detail=str(error))
    try:
        async with asyncio.timeout(patience):
            connection.writer.write(head.encode() + body)
            status, headers = await read_head(connection.reader)
            await read_body(connection.reader, headers, seen)
    except TimeoutError:
        return Answer(SILENT, detail=bytes(seen[-100:]).decode(errors="replace"))
    except (OSError, asyncio.IncompleteReadError) as error:
        return Answer(CUT, detail=f"{error!r} after {bytes(seen[-100:])!r}")
    if headers.get("connection") == "close":
        connection.close()
    try:
        return judge(status, headers, bytes(seen), stream, wanted)
    except (ValueError, KeyError, TypeError) as error:
        return Answer(TRUNCATED, status, detail=f"unreadable: {error!r} in {bytes(seen[-2000:])!r}")


class Tally:
    """What many calls came to."""

    def __init__(self):
        self.kinds = collections.Counter()
        self.codes = collections.Counter()
        self.examples = collections.defaultdict(list)
        self.seconds = []

    def add(self, answer, what=""):
        self.kinds[answer.kind] += 1
        self.seconds.append(answer.seconds)
        if answer.code:
            self.codes[answer.code] += 1
        if answer.kind != WHOLE and len(self.examples[answer.kind]) < 3:
            self.examples[answer.kind].append((what, answer))

    def percentile(self, share):
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0

    def __str__(self):
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds.most_common())
        codes = ", ".join(f"{count} {code}" for code, count in self.codes.most_common())
        return f"{kinds}; p50 {self.percentile(0.5) * 1000:.0f} ms, p99 {self.percentile(0.99) * 1000:.0f} ms; {codes}"


async def at_rate(per_second, until, make):
    """Starts `make()` so many times a second until `until()` is true; waits for all that were started."""
    running, due = set(), time.monotonic()
    while not until():
        task = asyncio.create_task(make())
        running.add(task)
        task.add_done_callback(running.discard)
        due += 1 / per_second
        await asyncio.sleep(max(0, due - time.monotonic()))
    while running:
        await asyncio.wait(running)
