"""One chat call with `requests` or `httpx`, without any SDK: the first argument names the library."""

import importlib
import json
import os
import sys


def events(lines):
    """The JSON payloads of a stream of server-sent events, and whether it ended as it should."""
    for line in lines:
        line = line.decode() if isinstance(line, bytes) else line
        if line.startswith("data: "):
            yield line.removeprefix("data: ")


def main():
    """Reads what to ask from the arguments, prints what the client saw."""
    library = importlib.import_module(sys.argv[1])
    ask = json.loads(sys.argv[2])
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    headers = {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
    seen = {"client": f"{library.__name__} {library.__version__}"}
    if not ask.get("stream"):
        answer = library.post(url, json=ask, headers=headers, timeout=60)
        body = answer.json()
        seen |= {"status": answer.status_code, "headers": dict(answer.headers), "body": body}
        if answer.status_code == 200:
            choice = body["choices"][0]
            seen |= {"text": choice["message"]["content"], "finish": choice["finish_reason"]}
            seen |= {"usage": body["usage"]["total_tokens"]}
        print(json.dumps(seen))
        return
    ask["stream_options"] = {"include_usage": True}
    text, finish, usage, done = "", None, None, False
    if library.__name__ == "requests":
        answer = library.post(url, json=ask, headers=headers, timeout=60, stream=True)
        payloads = list(events(answer.iter_lines()))
    else:
        with library.stream("POST", url, json=ask, headers=headers, timeout=60) as answer:
            payloads = list(events(answer.iter_lines()))
    for payload in payloads:
        if payload == "[DONE]":
            done = True
            continue
        chunk = json.loads(payload)
        usage = (chunk.get("usage") or {}).get("total_tokens", usage)
        for choice in chunk["choices"]:
            text += choice["delta"].get("content") or ""
            finish = choice.get("finish_reason") or finish
    seen |= {"text": text, "finish": finish, "usage": usage, "done": done}
    print(json.dumps(seen))


main()
