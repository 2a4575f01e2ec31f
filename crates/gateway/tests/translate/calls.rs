//! What other providers get of an OpenAI client's call.

#![expect(clippy::needless_pass_by_value, reason = "cases are written in place")]

use serde_json::{Value, json};

use crate::check::{Case, check};

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn said(role: &str, content: Value) -> Value {
    json!({"role": role, "content": content})
}

/// Item 5: instructions go where the provider takes them, and never silently to the front.
#[test]
fn instructions_keep_their_place() {
    let leading = json!([
        said("system", json!("A")),
        said("developer", json!("B")),
        user("hi")
    ]);
    let middle = json!([
        user("a"),
        said("assistant", json!("b")),
        said("system", json!("S")),
        user("c")
    ]);
    check(&[
        Case::new("system and developer", json!({"messages": leading}))
            .sends(
                "anthropic",
                json!({"/system": "A\n\nB", "/messages": [{"role": "user"}]}),
            )
            .sends(
                "gemini",
                json!({"/systemInstruction/parts": [{"text": "A"}, {"text": "B"}],
                "/contents": [{"role": "user"}]}),
            )
            .sends(
                "mistral",
                json!({"/messages": [{"role": "system", "content": "A"},
                {"role": "system", "content": "B"}, {"role": "user", "content": "hi"}]}),
            )
            .loses("anthropic", &[])
            .loses("gemini", &[])
            .loses("mistral", &[]),
        Case::new("in the middle", json!({"messages": middle}))
            .sends(
                "anthropic",
                json!({"/system": null, "/messages/2": {"role": "system",
                "content": [{"type": "text", "text": "S"}]}}),
            )
            .sends(
                "gemini",
                json!({"/systemInstruction": null, "/contents/2": {"role": "user",
                "parts": [{"text": "S"}, {"text": "c"}]}}),
            )
            .sends(
                "mistral",
                json!({"/messages/2": {"role": "user", "content": "S"}}),
            )
            .loses("gemini", &["messages[].role"])
            .loses("mistral", &["messages[].role"]),
    ]);
}

/// Items 6 and 8: no empty block, no empty turn, and neighbours of one role are one turn.
#[test]
fn empty_content_is_left_out() {
    let history = json!([
        user("a"),
        said("assistant", json!("")),
        user("b"),
        said("assistant", json!(null)),
        user("c")
    ]);
    let parts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": ""}]);
    check(&[
        Case::new("empty answers", json!({"messages": history}))
            .sends(
                "anthropic",
                json!({"/messages": [{"role": "user",
                "content": [{"text": "a"}, {"text": "b"}, {"text": "c"}]}]}),
            )
            .sends(
                "gemini",
                json!({"/contents": [{"role": "user",
                "parts": [{"text": "a"}, {"text": "b"}, {"text": "c"}]}]}),
            )
            .sends(
                "mistral",
                json!({"/messages": [{"content": "a"}, {"content": "b"}, {"content": "c"}]}),
            ),
        Case::new("an empty part", json!({"messages": [said("user", parts)]}))
            .sends("anthropic", json!({"/messages/0/content": [{"text": "a"}]}))
            .sends("gemini", json!({"/contents/0/parts": [{"text": "a"}]})),
        Case::new(
            "an empty system",
            json!({"messages": [said("system", json!("")), user("a")]}),
        )
        .sends("anthropic", json!({"/system": null}))
        .sends("gemini", json!({"/systemInstruction": null})),
    ]);
}

/// Items 1, 2, 22, 23, 24 and 28: what has another name, another range or no place.
#[test]
fn parameters_fit_their_provider() {
    check(&[
        Case::new("no limit", json!({}))
            .sends("anthropic", json!({"/max_tokens": 64_000}))
            .sends("gemini", json!({"/generationConfig/maxOutputTokens": null}))
            .sends("mistral", json!({"/max_tokens": null})),
        Case::new("both limits", json!({"max_tokens": 9, "max_completion_tokens": 70}))
            .sends("anthropic", json!({"/max_tokens": 70}))
            .sends("gemini", json!({"/generationConfig/maxOutputTokens": 70}))
            .sends("mistral", json!({"/max_tokens": 70})),
        Case::new("a model that nobody knows", json!({}))
            .only("anthropic", "my-own-model")
            .sends("anthropic", json!({"/max_tokens": 4096})),
        Case::new("hot", json!({"temperature": 1.7}))
            .sends("anthropic", json!({"/temperature": 1.0}))
            .sends("gemini", json!({"/generationConfig/temperature": 1.7}))
            .sends("mistral", json!({"/temperature": 1.5}))
            .loses("anthropic", &["temperature"])
            .loses("gemini", &[])
            .loses("mistral", &["temperature"]),
        Case::new("both ways to draw", json!({"temperature": 0.5, "top_p": 0.9}))
            .sends("anthropic", json!({"/temperature": 0.5, "/top_p": null}))
            .sends("gemini", json!({"/generationConfig/topP": 0.9}))
            .sends("mistral", json!({"/temperature": 0.5, "/top_p": 0.9}))
            .loses("anthropic", &["top_p"]),
        Case::new("stop texts", json!({"stop": ["one", "two"]}))
            .sends("anthropic", json!({"/stop_sequences": ["one", "two"]}))
            .sends("gemini", json!({"/generationConfig/stopSequences": ["one", "two"]}))
            .sends("mistral", json!({"/stop": ["one", "two"]})),
        Case::new("a stop text of white space", json!({"stop": "\n"}))
            .sends("anthropic", json!({"/stop_sequences": null}))
            .loses("anthropic", &["stop"]),
        Case::new("six stop texts", json!({"stop": ["a", "b", "c", "d", "e", "f"]})).refuses("gemini", "stop"),
        Case::new("seed, penalties and user", json!({"seed": 7, "presence_penalty": 0.5, "user": "u1"}))
            .sends("anthropic", json!({"/metadata": {"user_id": "u1"}}))
            .sends("gemini", json!({"/generationConfig": {"seed": 7, "presencePenalty": 0.5}}))
            .sends("mistral", json!({"/random_seed": 7, "/presence_penalty": 0.5}))
            .loses("anthropic", &["presence_penalty", "seed"])
            .loses("gemini", &["user"])
            .loses("mistral", &["user"]),
        Case::new("what only OpenAI has", json!({"store": true, "metadata": {"a": "b"}, "logit_bias": {"1": 2},
            "service_tier": "flex", "verbosity": "low", "prediction": {"type": "content", "content": "x"}}))
            .loses("anthropic", &["logit_bias", "metadata", "prediction", "service_tier", "store", "verbosity"]),
        Case::new("log probabilities", json!({"logprobs": true}))
            .refuses("anthropic", "logprobs")
            .refuses("gemini", "logprobs")
            .refuses("mistral", "logprobs"),
        Case::new("what asks for nothing", json!({"logprobs": false, "n": 1, "store": false, "stop": null,
            "tools": null, "response_format": {"type": "text"}, "frequency_penalty": 0, "modalities": ["text"]}))
            .loses("anthropic", &[])
            .loses("gemini", &[])
            .loses("mistral", &[]),
    ]);
}

/// Item 21: bytes go to everyone, an address to those who fetch it themselves.
#[test]
fn images_are_carried_or_refused_by_name() {
    let with = |url: &str| {
        json!({"messages": [said("user", json!([{"type": "text", "text": "before"},
        {"type": "image_url", "image_url": {"url": url, "detail": "low"}}, {"type": "text", "text": "after"}]))]})
    };
    let data = "data:image/png;base64,iVBORw0KGgo=";
    let address = "https://example.com/cat.png";
    check(&[
        Case::new("bytes", with(data))
            .sends("anthropic", json!({"/messages/0/content": [{"text": "before"}, {"type": "image", "source":
                {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}, {"text": "after"}]}))
            .sends("gemini", json!({"/contents/0/parts": [{"text": "before"},
                {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}, {"text": "after"}]}))
            .sends("mistral", json!({"/messages/0/content": [{"text": "before"},
                {"image_url": {"url": data}}, {"text": "after"}]})),
        Case::new("bytes to openai", with(data))
            .only("openai", "gpt-5-mini")
            .sends(
                "openai",
                json!({"/messages/0/content/1/image_url": {"url": data, "detail": "low"}}),
            ),
        Case::new("an address", with(address))
            .sends("anthropic", json!({"/messages/0/content/1/source": {"type": "url", "url": address}}))
            .sends("mistral", json!({"/messages/0/content/1/image_url/url": address}))
            .refuses("gemini", "messages[].content[].image_url.url"),
        Case::new("sound", json!({"messages": [said("user", json!([{"type": "input_audio",
            "input_audio": {"data": "AAAA", "format": "wav"}}]))]}))
            .refuses("anthropic", "messages")
            .refuses("gemini", "messages")
            .refuses("mistral", "messages"),
    ]);
}

/// Items 16 and 17: the schema goes as written, under the provider's own name.
#[test]
fn a_wanted_form_is_asked_for_in_the_providers_words() {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"},
        "kind": {"const": "x"}, "maybe": {"type": ["string", "null"]}}, "required": ["city"],
        "additionalProperties": false, "$defs": {"a": {"type": "string"}}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "place", "strict": true, "schema": schema}});
    let text = r#"{"city":"goodgate demo","kind":"x","maybe":"goodgate demo"}"#;
    check(&[
        Case::new("a schema", json!({"response_format": format}))
            .sends(
                "anthropic",
                json!({"/output_config/format": {"type": "json_schema", "schema": schema}}),
            )
            .sends(
                "gemini",
                json!({"/generationConfig/responseMimeType": "application/json",
                "/generationConfig/responseJsonSchema": schema}),
            )
            .sends("mistral", json!({"/response_format": format}))
            .says(json!({"content": text}))
            .loses("gemini", &[])
            .loses("mistral", &[]),
        Case::new(
            "any JSON",
            json!({"response_format": {"type": "json_object"}}),
        )
        .sends(
            "gemini",
            json!({"/generationConfig/responseMimeType": "application/json"}),
        )
        .sends("mistral", json!({"/response_format/type": "json_object"}))
        .loses("anthropic", &["response_format"])
        .loses("gemini", &[])
        .loses("mistral", &[]),
    ]);
}

/// Items 13, 15 and 2: an effort becomes thinking where the provider has a word for it, else it is told as lost.
#[test]
fn an_effort_becomes_thinking() {
    let thought = json!({"reasoning_content": "[goodgate demo: scripted text, not an AI model] There is nothing to think."});
    let adaptive = |effort: &str| json!({"/thinking": {"type": "adaptive"}, "/output_config/effort": effort, "/temperature": null});
    check(&[
        Case::new(
            "high",
            json!({"reasoning_effort": "high", "temperature": 0.3}),
        )
        .sends(
            "anthropic",
            json!({"/thinking": {"type": "enabled", "budget_tokens": 16_384},
                "/max_tokens": 64_000, "/temperature": null}),
        )
        .says_of("anthropic", thought.clone())
        .loses("anthropic", &["temperature"])
        .loses("gemini", &["reasoning_effort"])
        .loses("mistral", &["reasoning_effort"]),
        Case::new("to openai", json!({"reasoning_effort": "high"}))
            .only("openai", "gpt-5-mini")
            .sends("openai", json!({"/reasoning_effort": "high"})),
        Case::new(
            "with a small limit",
            json!({"reasoning_effort": "low", "max_completion_tokens": 100}),
        )
        .only("anthropic", "claude-haiku-4-5")
        .sends(
            "anthropic",
            json!({"/thinking/budget_tokens": 2048, "/max_tokens": 2148}),
        ),
        Case::new("none", json!({"reasoning_effort": "none"}))
            .only("anthropic", "claude-haiku-4-5")
            .sends("anthropic", json!({"/thinking": null}))
            .says(json!({"reasoning_content": null})),
        Case::new(
            "adaptive",
            json!({"reasoning_effort": "xhigh", "temperature": 0.3}),
        )
        .only("anthropic", "claude-opus-4-8")
        .sends("anthropic", adaptive("xhigh"))
        .says(thought)
        .loses("anthropic", &["temperature"]),
        Case::new("no sampling", json!({"temperature": 0.3, "top_p": 0.5}))
            .only("anthropic", "claude-sonnet-5")
            .sends("anthropic", json!({"/temperature": null, "/top_p": null}))
            .loses("anthropic", &["temperature", "top_p"]),
    ]);
}

/// Items 3, 14, 27 and 29: what one provider put into the history does not reach another.
#[test]
fn foreign_fields_of_an_echoed_history_do_not_reach_the_provider() {
    let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "c2ln"}}, "index": 0});
    let history = json!([
        {"role": "system", "content": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "name": "ann", "content": "a"},
        {"role": "assistant", "content": "b", "reasoning_content": "hm", "refusal": null, "annotations": [],
            "audio": null, "function_call": null, "provider_specific_fields": {"x": 1},
            "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}], "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "of f", "name": "f"},
        {"role": "user", "content": "c"}]);
    check(&[Case::new("echoed", json!({"messages": history}))
        .sends("anthropic", json!({"/system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
            "/messages/1/content": [{"type": "text", "text": "b"}, {"type": "tool_use", "id": "c1"}]}))
        .sends("gemini", json!({"/systemInstruction/parts": [{"text": "S"}],
            "/contents/1/parts": [{"text": "b"}, {"functionCall": {"name": "f"}, "thoughtSignature": "c2ln"}]}))
        .sends("mistral", json!({"/messages/0/content": "S"}))]);
}

/// Item 3, for OpenAI itself: what goodgate gave from another provider comes back and is taken out.
#[test]
fn openai_gets_an_echoed_history_without_foreign_fields() {
    let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "c2ln"}}});
    check(&[Case::new(
        "echoed to openai",
        json!({"messages": [user("a"),
        {"role": "assistant", "content": "b", "reasoning_content": "hm", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "of f"}]}),
    )
    .only("openai", "gpt-5-mini")
    .sends(
        "openai",
        json!({"/messages/1": {"content": "b", "reasoning_content": null,
            "tool_calls": [{"id": "c1", "extra_content": null}]}}),
    )]);
}

/// Item 9: an answer that is begun for the model.
#[test]
fn an_answer_that_is_begun_is_gone_on_with() {
    let begun = json!({"messages": [user("a"), said("assistant", json!("Sure: "))]});
    check(&[
        Case::new("begun", begun.clone())
            .sends(
                "anthropic",
                json!({"/messages/1": {"role": "assistant", "content": [{"text": "Sure:"}]}}),
            )
            .sends(
                "gemini",
                json!({"/contents/1": {"role": "model", "parts": [{"text": "Sure: "}]}}),
            )
            .sends(
                "mistral",
                json!({"/messages/1": {"role": "assistant", "content": "Sure: ", "prefix": true}}),
            ),
        Case::new("begun for a newer model", begun)
            .only("anthropic", "claude-opus-4-8")
            .refuses("anthropic", "messages"),
    ]);
}
