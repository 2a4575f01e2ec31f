"""Other providers behind the OpenAI SDK: tools in parallel with their results, and streams cut at every byte.

The drill refuses any field that the real provider would not know, so a call that is answered was translated well.
"""

import json

import openai
import pytest
from processes import Drill, Gateway

PROVIDERS = {
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-2.5-flash",
    "mistral": "mistral-small-latest",
    "openai": "gpt-5-mini",
}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"Gives the {name} of a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    for name in ("weather", "population")
]


def configuration(drill):
    """Every provider at the same drill, each below its own prefix."""
    lines = ["providers:"]
    lines += [f'  {name}: {{ type: {name}, base_url: "{drill.url}/{name}", api_key: sk-drill }}' for name in PROVIDERS]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def whole(drill, tmp_path_factory):
    """A gateway before a drill that writes its answers in one piece."""
    gateway = Gateway(tmp_path_factory.mktemp("whole"), config=configuration(drill))
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """A gateway before a drill that writes every byte of a body by itself."""
    folder = tmp_path_factory.mktemp("split")
    script = folder / "every-byte.json"
    script.write_text(json.dumps({"split": 1}))
    drill = Drill(folder / "drill", "--script", script)
    gateway = Gateway(folder / "gateway", config=configuration(drill))
    yield gateway
    gateway.stop()
    drill.stop()


def create(gateway):
    """The SDK's call."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0).chat.completions.create


def joined(stream):
    """A stream put together as programs do it."""
    text, calls, finish, usage = "", {}, None, None
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for part in choice.delta.tool_calls or []:
                call = calls.setdefault(part.index, {"id": part.id, "name": part.function.name, "arguments": ""})
                call["arguments"] += part.function.arguments or ""
    return text, [calls[index] for index in sorted(calls)], finish, usage


def conversation(gateway, model, stream):
    """A user asks, two tools are called, their results are told, an answer comes. Gives what was seen on the way."""
    call = create(gateway)
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hello to you"},
        {"role": "user", "content": "call both tools"},
    ]
    if stream:
        _, calls, finish, usage = joined(
            call(model=model, messages=history, tools=TOOLS, stream=True, stream_options={"include_usage": True})
        )
    else:
        answer = call(model=model, messages=history, tools=TOOLS)
        calls = [
            {"id": c.id, "name": c.function.name, "arguments": c.function.arguments}
            for c in answer.choices[0].message.tool_calls
        ]
        finish, usage = answer.choices[0].finish_reason, answer.usage
    assert finish == "tool_calls"
    assert [one["name"] for one in calls] == ["weather", "population"]
    assert all("city" in json.loads(one["arguments"]) for one in calls)
    assert len({one["id"] for one in calls}) == 2
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    functions = [
        {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}} for c in calls
    ]
    history += [
        {"role": "assistant", "content": None, "tool_calls": functions},
        *({"role": "tool", "tool_call_id": c["id"], "content": f"of {c['name']}"} for c in calls),
    ]
    if stream:
        text, _, finish, _ = joined(call(model=model, messages=history, tools=TOOLS, stream=True))
    else:
        choice = call(model=model, messages=history, tools=TOOLS).choices[0]
        text, finish = choice.message.content, choice.finish_reason
    assert finish == "stop"
    assert "weather said: of weather" in text.replace('{"result":"of weather"}', "of weather"), text
    assert "population said: of population" in text.replace('{"result":"of population"}', "of population"), text
    return text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_two_tools_are_called_in_parallel_and_their_results_arrive(whole, provider, stream):
    conversation(whole, f"{provider}/{PROVIDERS[provider]}", stream)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_that_is_cut_at_every_byte_is_the_same_stream(whole, split, provider):
    model = f"{provider}/{PROVIDERS[provider]}"
    assert conversation(split, model, stream=True) == conversation(whole, model, stream=True)
    unicode = [{"role": "user", "content": "naïve 🎉 “quoted” \u2028 end"}]
    cut = joined(create(split)(model=model, messages=unicode, stream=True))
    assert "🎉" in cut[0] and cut[:3] == joined(create(whole)(model=model, messages=unicode, stream=True))[:3]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "choice",
    ["required", "none", {"type": "function", "function": {"name": "population"}}],
    ids=["required", "none", "named"],
)
def test_the_choice_of_tools_is_carried_over(whole, provider, choice):
    answer = create(whole)(
        model=f"{provider}/{PROVIDERS[provider]}",
        messages=[{"role": "user", "content": "hello"}],
        tools=TOOLS,
        tool_choice=choice,
    )
    called = [call.function.name for call in answer.choices[0].message.tool_calls or []]
    if choice == "none":
        assert called == [] and answer.choices[0].finish_reason == "stop"
    elif choice == "required":
        assert called and answer.choices[0].finish_reason == "tool_calls"
    else:
        assert called == ["population"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_limit_of_tokens_ends_the_answer_with_length(whole, provider):
    answer = create(whole)(
        model=f"{provider}/{PROVIDERS[provider]}",
        messages=[{"role": "user", "content": "tell me something that is a little longer than five tokens"}],
        max_completion_tokens=5,
    )
    assert answer.choices[0].finish_reason == "length"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_sampling_stop_words_and_turns_in_odd_order_are_accepted_by_a_strict_provider(whole, provider):
    # The newest models of OpenAI take no temperature.
    model = "gpt-4.1-mini" if provider == "openai" else PROVIDERS[provider]
    answer = create(whole)(
        model=f"{provider}/{model}",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "one"},
            {"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "text", "text": "three"}]},
        ],
        temperature=0.5,
        stop=["never-said"],
        user="someone",
    )
    assert answer.choices[0].finish_reason == "stop" and answer.choices[0].message.content


@pytest.mark.parametrize(
    "provider",
    ["anthropic", "gemini", "mistral", "openai"],
)
def test_a_refused_provider_key_is_the_gateways_fault_and_never_a_401(start, drill, provider):
    config = (
        f'providers:\n  {provider}: {{ type: {provider}, base_url: "{drill.url}/{provider}", api_key: sk-invalid }}\n'
    )
    gateway = start(Gateway, config=config)
    with pytest.raises(openai.InternalServerError) as caught:
        create(gateway)(model=f"{provider}/{PROVIDERS[provider]}", messages=[{"role": "user", "content": "hi"}])
    told = caught.value.body["goodgate"]
    assert caught.value.status_code == 502
    assert (told["code"], told["origin"]) == ("credentials_rejected", "gateway")
    assert "sk-invalid" not in json.dumps(caught.value.body)


SCRIPT = {
    "rules": [
        {
            "when": {"contains": "count the tokens"},
            "reply": {"text": "counted", "usage": {"input": 100, "output": 50, "cached": 40, "reasoning": 10}},
        },
        {
            "when": {"contains": "think aloud"},
            "reply": {"text": "the answer", "reasoning": "first this, then that", "signature": "c2lnbmVk"},
        },
        {"when": {"contains": "be filtered"}, "reply": {"text": "I can", "finish": "content-filter"}},
    ]
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    """A gateway before a drill whose answers are known."""
    folder = tmp_path_factory.mktemp("scripted")
    script = folder / "script.json"
    script.write_text(json.dumps(SCRIPT))
    drill = Drill(folder / "drill", "--script", script)
    gateway = Gateway(folder / "gateway", config=configuration(drill))
    gateway.drill = drill
    yield gateway
    gateway.stop()
    drill.stop()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_usage_is_counted_in_the_clients_terms(scripted, provider, stream):
    ask = {
        "model": f"{provider}/{PROVIDERS[provider]}",
        "messages": [{"role": "user", "content": "count the tokens"}],
    }
    if stream:
        usage = joined(create(scripted)(stream=True, stream_options={"include_usage": True}, **ask))[3]
    else:
        usage = create(scripted)(**ask).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (100, 50, 150)
    assert usage.prompt_tokens_details.cached_tokens == 40
    if provider != "mistral":  # Its usage does not tell them.
        assert usage.completion_tokens_details.reasoning_tokens == 10


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_without_the_wish_for_usage_has_none(scripted, provider):
    chunks = list(
        create(scripted)(
            model=f"{provider}/{PROVIDERS[provider]}",
            messages=[{"role": "user", "content": "count the tokens"}],
            stream=True,
        )
    )
    assert all(chunk.choices for chunk in chunks), "the chunk that only carries usage is the gateway's own affair"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_filtered_answer_ends_with_that_reason(scripted, provider, stream):
    ask = {"model": f"{provider}/{PROVIDERS[provider]}", "messages": [{"role": "user", "content": "be filtered"}]}
    if provider == "mistral":
        pytest.skip("Mistral has no such reason")
    if stream:
        finish = joined(create(scripted)(stream=True, **ask))[2]
    else:
        finish = create(scripted)(**ask).choices[0].finish_reason
    assert finish == "content_filter"


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_an_image_arrives_with_its_bytes_and_kind(scripted, provider):
    content = [
        {"type": "text", "text": f"what is this, {provider}?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    answer = create(scripted)(
        model=f"{provider}/{PROVIDERS[provider]}", messages=[{"role": "user", "content": content}]
    )
    assert answer.choices[0].message.content
    words = f"what is this, {provider}?"
    sent = scripted.drill.wait_for(lambda seen: [entry["body"] for entry in seen if words in entry["body"]], "request")
    assert PIXEL in sent[-1] and "image/png" in sent[-1]


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_an_answer_by_schema_is_json_of_that_shape(scripted, provider):
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
        "required": ["city", "degrees"],
        "additionalProperties": False,
    }
    answer = create(scripted)(
        model=f"{provider}/{PROVIDERS[provider]}",
        messages=[{"role": "user", "content": "the weather"}],
        response_format={"type": "json_schema", "json_schema": {"name": "weather", "schema": schema, "strict": True}},
    )
    said = json.loads(answer.choices[0].message.content)
    assert set(said) == {"city", "degrees"}
    assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_thinking_of_anthropic_is_reasoning_beside_the_text(scripted, stream):
    ask = {
        "model": f"anthropic/{PROVIDERS['anthropic']}",
        "messages": [{"role": "user", "content": "think aloud"}],
        "reasoning_effort": "low",
    }
    if stream:
        reasoning, text = "", ""
        for chunk in create(scripted)(stream=True, **ask):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                reasoning += (choice.delta.model_extra or {}).get("reasoning_content") or ""
    else:
        message = create(scripted)(**ask).choices[0].message
        text, reasoning = message.content, (message.model_extra or {}).get("reasoning_content")
    assert text == "the answer"
    assert reasoning == "first this, then that"
