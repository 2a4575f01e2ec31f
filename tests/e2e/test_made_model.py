"""llama.cpp's real server with a made model: exact texts, an emoji split over tokens, parallel tools; in two dialects."""

import json
import re

import httpx
import made_model
import openai
import pytest
from processes import Gateway

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather of a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]
CALLED = [("weather", {"city": "Berlin"}), ("weather", {"city": "Oslo", "unit": "C"})]
WORDS = {"text": made_model.TEXT, "an emoji": made_model.EMOJI, "a long one": made_model.LONG}


@pytest.fixture(scope="module")
def gateway(made, tmp_path_factory):
    """The same server twice: as an OpenAI-compatible upstream and as one that speaks Anthropic Messages."""
    config = f"""
providers:
  same: {{ type: openai-compatible, base_url: "{made.url}/v1", api_key: none }}
  translated: {{ type: anthropic, base_url: "{made.url}", api_key: none }}
"""
    gateway = Gateway(tmp_path_factory.mktemp("made-gateway"), config=config)
    yield gateway
    gateway.stop()


@pytest.fixture
def chat(gateway):
    """The OpenAI client's call."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0).chat.completions.create


def user(content):
    """One user turn."""
    return [{"role": "user", "content": content}]


def joined(stream):
    """A stream put together as programs do it: text, tool calls and the reason of its end."""
    text, calls, finish = "", {}, None
    for chunk in stream:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for part in choice.delta.tool_calls or []:
                call = calls.setdefault(part.index, {"id": part.id, "name": part.function.name, "arguments": ""})
                call["arguments"] += part.function.arguments or ""
    return text, [calls[index] for index in sorted(calls)], finish


@pytest.mark.parametrize("provider", ["same", "translated"])
@pytest.mark.parametrize("word", WORDS)
def test_a_known_text_arrives_to_the_letter_whole_and_streamed(chat, provider, word):
    whole = chat(model=f"{provider}/made", messages=user(word), max_tokens=200)
    assert whole.choices[0].message.content == WORDS[word]
    assert whole.choices[0].finish_reason == "stop"
    text, calls, finish = joined(chat(model=f"{provider}/made", messages=user(word), max_tokens=200, stream=True))
    assert (text, calls, finish) == (WORDS[word], [], "stop")


@pytest.mark.parametrize("provider", ["same", "translated"])
def test_an_answer_cut_by_its_limit_says_so(chat, provider):
    whole = chat(model=f"{provider}/made", messages=user("a long one"), max_tokens=5)
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage.completion_tokens == 5
    assert made_model.LONG.startswith(whole.choices[0].message.content)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", ["same", "translated"])
def test_parallel_tools_are_called_and_their_results_read(chat, provider, stream):
    model = f"{provider}/made"
    options = {"model": model, "tools": TOOLS, "max_tokens": 300}
    if stream:
        _, calls, finish = joined(chat(messages=user("weather?"), stream=True, **options))
    else:
        choice = chat(messages=user("weather?"), **options).choices[0]
        calls = [
            {"id": c.id, "name": c.function.name, "arguments": c.function.arguments} for c in choice.message.tool_calls
        ]
        finish = choice.finish_reason
    assert finish == "tool_calls"
    assert [(call["name"], json.loads(call["arguments"])) for call in calls] == CALLED
    assert len({call["id"] for call in calls}) == 2 and all(call["id"] for call in calls)
    history = [
        *user("weather?"),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": call["id"],
                    "type": "function",
                    "function": {"name": call["name"], "arguments": call["arguments"]},
                }
                for call in calls
            ],
        },
        *(
            {"role": "tool", "tool_call_id": call["id"], "content": degrees}
            for call, degrees in zip(calls, ["7", "2"], strict=True)
        ),
    ]
    answer = chat(messages=history, **options)
    assert answer.choices[0].message.content == made_model.RESULTS
    assert answer.choices[0].finish_reason == "stop"


def test_the_same_dialect_passes_byte_for_byte_but_for_what_differs_between_any_two_calls(gateway, made):
    """Keys, their order and every delta: nothing is re-serialised on the way."""
    body = {"model": "same/made", "messages": user("an emoji"), "stream": True}
    through = gateway.post("/v1/chat/completions", body).content.decode()
    direct = httpx.post(
        f"{made.url}/v1/chat/completions", json={**body, "model": "made"}, timeout=30, trust_env=False
    ).content.decode()

    def steady(text):
        text = re.sub(r'"id":"[^"]*"', '"id":"-"', re.sub(r'"created":\d+', '"created":0', text))
        return re.sub(r',"timings":\{[^}]*\}', "", text)

    assert steady(through) == steady(direct)
