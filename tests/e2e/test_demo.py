"""The scripted models that need no account: what they survive, and what a failure tells."""

import asyncio
import collections
import signal

import httpx
import openai
import pytest
from processes import Drill, Gateway

CALLS = 100


def many_calls(gateway, model):
    """Fires parallel calls with the OpenAI client that may not retry by itself; gives the answers' headers."""

    async def fire():
        client = openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0)

        async def one(number):
            messages = [{"role": "user", "content": f"call {number}"}]
            raw = await client.chat.completions.with_raw_response.create(model=model, messages=messages)
            assert raw.parse().choices[0].message.content
            return raw.headers

        return await asyncio.gather(*(one(number) for number in range(CALLS)))

    return asyncio.run(fire())


def test_a_hundred_parallel_calls_survive_a_provider_whose_first_answer_is_a_502(demo):
    headers = many_calls(demo, "demo/flaky-502")
    assert len(headers) == CALLS
    assert collections.Counter(one["x-goodgate-outcome"] for one in headers) == {"recovered": CALLS}
    assert {one["x-goodgate-attempts"] for one in headers} == {"2"}
    assert {one["x-goodgate-demo"] for one in headers} == {"true"}


def test_the_same_through_a_separate_drill_whose_log_shows_two_requests_for_each(start):
    drill = start(Drill)
    config = f"""
providers:
  far: {{ type: openai-compatible, base_url: "{drill.url}/v1", api_key: sk-drill }}
"""
    gateway = start(Gateway, config=config)
    headers = many_calls(gateway, "far/flaky-502")
    ids = [one["x-request-id"] for one in headers]
    assert len(set(ids)) == CALLS
    entries = drill.wait_for(
        lambda seen: len([e for e in seen if e["model"] == "flaky-502"]) >= 2 * CALLS and seen, "two requests a call"
    )
    attempts = collections.defaultdict(list)
    for entry in entries:
        if entry["model"] == "flaky-502":
            attempts[entry["request_id"]].append((entry["attempt"], entry["status"]))
    assert {request_id: sorted(tried) for request_id, tried in attempts.items()} == {
        request_id: [(1, 502), (2, 200)] for request_id in ids
    }


def down(gateway):
    """Calls `demo/down`, which never answers; gives the exception."""
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="demo/down", messages=[{"role": "user", "content": "hi"}])
    return caught.value


def test_a_dead_provider_raises_an_error_that_explains_itself(demo):
    error = down(demo)
    told = error.body["goodgate"]
    assert told["v"] == 1
    assert told["origin"] == "upstream"
    assert told["group"] and told["code"]
    assert told["attempts"] and told["fix"]
    assert any(attempt.get("evidence") for attempt in told["attempts"])
    assert [attempt["n"] for attempt in told["attempts"]] == list(range(1, len(told["attempts"]) + 1))
    assert told["attempts"][-1]["next"] == "exhausted"
    assert told["request_id"] in str(error), "the id is in the message, which is all that some programs print"
    assert error.response.headers["x-request-id"] == told["request_id"]
    assert error.response.headers["x-should-retry"] == "false"
    assert len(error.response.content) <= 2048 + 64


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("cut-stream", 502, "stream_incomplete"), ("html-502", 502, "bad_gateway"), ("rate-limited", 429, "rate_limited")],
)
def test_each_scripted_failure_has_its_own_name(demo, name, status, code):
    answer = demo.chat(f"demo/{name}", stream=name == "cut-stream")
    if name == "cut-stream":
        assert "[DONE]" not in answer.text
        assert code in answer.text
        return
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["goodgate"]["code"] == code


def test_a_scripted_answer_says_that_it_is_one(demo):
    answer = demo.chat("demo/echo", "good morning")
    text = answer.json()["choices"][0]["message"]["content"]
    assert text.startswith("[goodgate demo: scripted text, not an AI model]")
    assert answer.headers["x-goodgate-demo"] == "true"
    assert answer.json()["system_fingerprint"] == "goodgate-demo"


def test_without_the_real_model_the_first_call_still_survives(start):
    gateway = start(Gateway, "no-model")
    answer = gateway.chat("first")
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-goodgate-outcome"] == "recovered"
    assert answer.headers["x-goodgate-served-by"] == "demo/echo"
    assert "NOT from an AI model" in gateway.said(), "the screen says what this is not"


def test_a_code_is_explained_without_a_gateway(demo):
    for code in ("connection_refused", "unknown_key"):
        text = demo.cli("explain", code).stdout
        assert code in text and len(text.splitlines()) >= 3


def test_the_gateway_ends_cleanly_when_asked_to(start):
    gateway = start(Gateway, "ending")
    gateway.signal(signal.SIGTERM)
    assert gateway.child.wait(15) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{gateway.url}/livez", timeout=2, trust_env=False)
