"""The simulated providers are real to the providers' own SDKs, and strict with everyone.

Where a provider has no server for this machine, `goodgate drill` stands in for it. These tests hold it to what the SDKs
of Anthropic, Google and Mistral understand, so that what the gateway proves against it means something.
"""

import anthropic
import httpx
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types
from mistralai.client import Mistral

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
NAMES = ["weather", "population"]


@pytest.fixture
def claude(drill):
    """Anthropic's client."""
    return anthropic.Anthropic(base_url=f"{drill.url}/anthropic", api_key="sk-ant-drill", max_retries=0)


@pytest.fixture
def gemini(drill):
    """Google's client."""
    return genai.Client(api_key="drill", http_options=genai_types.HttpOptions(base_url=f"{drill.url}/gemini"))


@pytest.fixture
def mistral(drill):
    """Mistral's client."""
    return Mistral(api_key="drill", server_url=f"{drill.url}/mistral")


def test_anthropics_sdk_understands_text_streams_tools_and_their_results(claude):
    ask = {"model": "claude-haiku-4-5", "max_tokens": 500}
    whole = claude.messages.create(messages=[{"role": "user", "content": "good morning"}], **ask)
    assert whole.stop_reason == "end_turn" and "good morning" in whole.content[0].text
    assert whole.usage.input_tokens > 0 and whole.usage.output_tokens > 0
    with claude.messages.stream(messages=[{"role": "user", "content": "good morning"}], **ask) as stream:
        assert "".join(stream.text_stream) == whole.content[0].text
        assert stream.get_final_message().stop_reason == "end_turn"
    tools = [{"name": name, "description": name, "input_schema": SCHEMA} for name in NAMES]
    history = [{"role": "user", "content": "call both tools"}]
    called = claude.messages.create(messages=history, tools=tools, **ask)
    uses = [block for block in called.content if block.type == "tool_use"]
    assert called.stop_reason == "tool_use"
    assert [use.name for use in uses] == NAMES and all("city" in use.input for use in uses)
    history += [
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in called.content]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": use.id, "content": f"of {use.name}"} for use in uses],
        },
    ]
    answer = claude.messages.create(messages=history, tools=tools, **ask)
    assert "of weather" in answer.content[0].text and "of population" in answer.content[0].text


def test_googles_sdk_understands_text_streams_tools_and_their_results(gemini):
    model = "gemini-2.5-flash"
    whole = gemini.models.generate_content(model=model, contents="good morning")
    assert "good morning" in whole.text
    assert whole.candidates[0].finish_reason == genai_types.FinishReason.STOP
    assert whole.usage_metadata.total_token_count > 0
    chunks = list(gemini.models.generate_content_stream(model=model, contents="good morning"))
    assert "".join(chunk.text or "" for chunk in chunks) == whole.text
    declared = [{"name": name, "description": name, "parameters_json_schema": SCHEMA} for name in NAMES]
    config = genai_types.GenerateContentConfig(
        tools=[genai_types.Tool(function_declarations=declared)],
        automatic_function_calling=genai_types.AutomaticFunctionCallingConfig(disable=True),
    )
    asked = genai_types.Content(role="user", parts=[genai_types.Part(text="call both tools")])
    called = gemini.models.generate_content(model=model, contents=[asked], config=config)
    assert [call.name for call in called.function_calls] == NAMES
    results = [
        genai_types.Part(
            function_response=genai_types.FunctionResponse(
                name=call.name, id=call.id, response={"result": f"of {call.name}"}
            )
        )
        for call in called.function_calls
    ]
    history = [asked, called.candidates[0].content, genai_types.Content(role="user", parts=results)]
    answer = gemini.models.generate_content(model=model, contents=history, config=config)
    assert "of weather" in answer.text and "of population" in answer.text


def test_mistrals_sdk_understands_text_streams_tools_and_their_results(mistral):
    model = "mistral-small-latest"
    asked = [{"role": "user", "content": "good morning"}]
    whole = mistral.chat.complete(model=model, messages=asked)
    text = whole.choices[0].message.content
    assert "good morning" in text and whole.choices[0].finish_reason == "stop"
    assert whole.usage.total_tokens > 0
    with mistral.chat.stream(model=model, messages=asked) as stream:
        assert "".join(event.data.choices[0].delta.content or "" for event in stream if event.data.choices) == text
    tools = [
        {"type": "function", "function": {"name": name, "description": name, "parameters": SCHEMA}} for name in NAMES
    ]
    history = [{"role": "user", "content": "call both tools"}]
    called = mistral.chat.complete(model=model, messages=history, tools=tools)
    calls = called.choices[0].message.tool_calls
    assert called.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in calls] == NAMES
    history += [called.choices[0].message]
    history += [
        {"role": "tool", "tool_call_id": c.id, "name": c.function.name, "content": f"of {c.function.name}"}
        for c in calls
    ]
    answer = mistral.chat.complete(model=model, messages=history, tools=tools)
    assert "of weather" in answer.choices[0].message.content and "of population" in answer.choices[0].message.content


def test_each_sdk_raises_its_own_class_for_a_key_that_is_refused(drill):
    asked = [{"role": "user", "content": "hi"}]
    with pytest.raises(anthropic.AuthenticationError):
        anthropic.Anthropic(base_url=f"{drill.url}/anthropic", api_key="invalid", max_retries=0).messages.create(
            model="claude-haiku-4-5", max_tokens=10, messages=asked
        )
    stranger = genai.Client(api_key="invalid", http_options=genai_types.HttpOptions(base_url=f"{drill.url}/gemini"))
    with pytest.raises(genai_errors.ClientError) as caught:
        stranger.models.generate_content(model="gemini-2.5-flash", contents="hi")
    assert caught.value.code == 400, "Gemini answers a bad key with 400, not 401"
    with pytest.raises(Exception, match="401|[Uu]nauthorized"):
        Mistral(api_key="invalid", server_url=f"{drill.url}/mistral").chat.complete(
            model="mistral-small-latest", messages=asked
        )


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        (
            "/openai/v1/chat/completions",
            {"authorization": "Bearer k"},
            {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}], "no_such_field": 1},
            400,
        ),
        (
            "/anthropic/v1/messages",
            {"x-api-key": "k", "anthropic-version": "2023-06-01"},
            {
                "model": "claude-haiku-4-5",
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "hi"}],
                "no_such_field": 1,
            },
            400,
        ),
        (
            "/gemini/v1beta/models/gemini-2.5-flash:generateContent",
            {"x-goog-api-key": "k"},
            {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "noSuchField": 1},
            400,
        ),
        (
            "/mistral/v1/chat/completions",
            {"authorization": "Bearer k"},
            {"model": "mistral-small-latest", "messages": [{"role": "user", "content": "hi"}], "no_such_field": 1},
            422,
        ),
    ],
    ids=["openai", "anthropic", "gemini", "mistral"],
)
def test_an_unknown_field_is_refused_as_the_real_one_refuses_it(drill, path, headers, body, status):
    answer = httpx.post(f"{drill.url}{path}", json=body, headers=headers, timeout=10, trust_env=False)
    assert answer.status_code == status, answer.text
    assert "no_such_field" in answer.text or "noSuchField" in answer.text
