//! What clients get of other providers' answers.

use serde_json::json;

use crate::check::{Case, check};

/// Items 38 and 39: one form, whatever it came from.
#[test]
fn plain_text_comes_as_text() {
    check(&[
        Case::new("text", json!({})).reply(json!({"text": "Hello there, you."})).says(
            json!({"content": "Hello there, you.", "finish_reason": "stop", "tool_calls": null, "refusal": null}),
        ),
        Case::new("in pieces", json!({}))
            .reply(json!({"pieces": ["He", "llo", " ", "there"]}))
            .says(json!({"content": "Hello there"})),
    ]);
}

/// Items 31, 32 and 49.
#[test]
fn every_reason_to_end_has_openais_word() {
    let calls = json!([{"name": "f", "arguments": {}}]);
    let says = |word: &str| json!({"finish_reason": word});
    check(&[
        Case::new("the end", json!({}))
            .reply(json!({"text": "a"}))
            .says(says("stop")),
        Case::new("a stop text", json!({"stop": "END"}))
            .reply(json!({"text": "a", "stop_sequence": "END"}))
            .says(says("stop")),
        Case::new("the limit", json!({"max_tokens": 5}))
            .reply(json!({"text": "a", "finish": "length"}))
            .says(says("length")),
        Case::new("the limit before any text", json!({}))
            .reply(json!({"text": "", "finish": "length"}))
            .says(json!({"finish_reason": "length", "content": ""})),
        Case::new(
            "calls",
            json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
        )
        .reply(json!({"tool_calls": calls}))
        .says(json!({"finish_reason": "tool_calls", "content": null})),
        // Mistral has no word for it.
        Case::new("a filter", json!({}))
            .reply(json!({"text": "a", "finish": "content-filter"}))
            .says(says("content_filter"))
            .says_of("mistral", says("stop")),
        Case::new("a filter before any text", json!({}))
            .reply(json!({"text": "", "finish": "content-filter"}))
            .says(json!({"finish_reason": "content_filter", "content": ""}))
            .says_of("mistral", says("stop")),
    ]);
}

/// Items 34, 35, 47 and 48: the parts are inside their wholes, as OpenAI counts.
#[test]
fn usage_is_counted_as_openai_counts() {
    let reply = json!({"reasoning": "hm", "text": "a b", "usage":
        {"input": 100, "output": 50, "cached": 30, "cache_written": 20, "reasoning": 10}});
    let whole = json!({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150});
    let with = |prompt, completion| {
        let mut usage = whole.clone();
        usage["prompt_tokens_details"] = prompt;
        usage["completion_tokens_details"] = completion;
        json!({"usage": usage, "content": "a b", "reasoning_content": "hm"})
    };
    let thought = json!({"reasoning_tokens": 10});
    check(&[Case::new("cached and reasoning tokens", json!({}))
        .reply(reply)
        .says_of(
            "anthropic",
            with(
                json!({"cached_tokens": 30, "cache_write_tokens": 20}),
                thought.clone(),
            ),
        )
        .says_of(
            "gemini",
            with(
                json!({"cached_tokens": 30, "cache_write_tokens": null}),
                thought,
            ),
        )
        .says_of(
            "mistral",
            with(
                json!({"cached_tokens": 30, "cache_write_tokens": null}),
                json!(null),
            ),
        )]);
}

/// Item 37: thoughts never leak into content.
#[test]
fn thoughts_stand_beside_the_answer() {
    check(&[
        Case::new("thoughts and text", json!({}))
            .reply(json!({"reasoning": "Let me think.", "text": "42"}))
            .says(json!({"content": "42", "reasoning_content": "Let me think."})),
        Case::new("thoughts and a call", json!({"tools": [{"type": "function", "function": {"name": "f"}}]}))
            .reply(json!({"reasoning": "Let me think.", "tool_calls": [{"name": "f", "arguments": {}}]}))
            .says(json!({"content": null, "reasoning_content": "Let me think.",
                "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]})),
        Case::new("thoughts alone", json!({}))
            .reply(json!({"reasoning": "Let me think.", "finish": "length"}))
            .says(json!({"content": "", "reasoning_content": "Let me think.", "finish_reason": "length"})),
    ]);
}

/// Items 41 and 69.
#[test]
fn every_character_comes_through() {
    let text = "naïve 🎉👩‍👩‍👧 “q” \u{2028}\u{2029}\u{85} \"\\/\u{8}\u{c}\n\r\t 日本語 \u{1f} \u{feff} <script> \u{10ffff}";
    let arguments = json!({"text": text, "🎉": "\u{2028}"}).to_string();
    check(&[
        Case::new("text", json!({})).reply(json!({"text": text})).says(json!({"content": text})),
        Case::new("by character", json!({}))
            .reply(json!({"pieces": text.chars().map(String::from).collect::<Vec<_>>()}))
            .says(json!({"content": text})),
        Case::new("thoughts", json!({}))
            .reply(json!({"reasoning": text, "text": text}))
            .says(json!({"content": text, "reasoning_content": text})),
        Case::new("arguments", json!({"tools": [{"type": "function", "function": {"name": "f"}}]}))
            .reply(json!({"tool_calls": [{"name": "f", "arguments": arguments}]}))
            .says(json!({"tool_calls": [{"function": {"arguments": arguments}}]})),
        Case::new("asked", json!({"messages": [{"role": "system", "content": text}, {"role": "user", "content": text}]}))
            .reply(json!({"text": "ok"}))
            .sends("anthropic", json!({"/system": text, "/messages/0/content/0/text": text}))
            .sends("gemini", json!({"/systemInstruction/parts/0/text": text, "/contents/0/parts/0/text": text}))
            .sends("mistral", json!({"/messages/0/content": text, "/messages/1/content": text})),
    ]);
}

/// Items 20, 42, 43, 44, 45 and 68: arguments are one JSON text, spelt as the model spelt it.
#[test]
fn arguments_keep_their_numbers_and_their_order() {
    let tools = json!({"tools": [{"type": "function", "function": {"name": "f"}},
        {"type": "function", "function": {"name": "g"}}]});
    let odd = r#"{"z":18446744073709551615,"a":1e-7,"m":{"y":0.10,"x":-0,"big":123456789012345678901234567890},"b":[]}"#;
    let call = |name: &str, arguments: &str| json!({"type": "function", "function": {"name": name, "arguments": arguments}});
    check(&[
        Case::new("numbers", tools.clone())
            .reply(json!({"tool_calls": [{"name": "f", "arguments": odd}]}))
            .says(json!({"tool_calls": [call("f", odd)]})),
        Case::new("none", tools.clone())
            .reply(json!({"tool_calls": [{"name": "f", "arguments": "{}"}]}))
            .says(json!({"tool_calls": [call("f", "{}")]})),
        Case::new("three in parallel after a text", tools)
            .reply(json!({"text": "Let me see.", "tool_calls": [{"name": "f", "arguments": "{\"n\":1}"},
                {"name": "g", "arguments": "{}"}, {"name": "f", "arguments": "{\"n\":1}"}]}))
            .says(json!({"content": "Let me see.", "finish_reason": "tool_calls",
                "tool_calls": [call("f", "{\"n\":1}"), call("g", "{}"), call("f", "{\"n\":1}")]})),
    ]);
}

/// Item 23: two answers are two, where the provider gives so many.
#[test]
fn several_answers_come_as_several_or_not_at_all() {
    check(&[Case::new("n", json!({"n": 2}))
        .reply(json!({"text": "a b"}))
        .refuses("anthropic", "n")
        .says(json!({"choices": 2, "content": "a b"}))]);
}

/// Item 12: a signature of Gemini's goes out where its own compatibility layer puts it.
#[test]
fn a_signature_comes_with_its_call() {
    check(&[Case::new(
        "signed",
        json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
    )
    .only("gemini", "gemini-3-flash")
    .reply(json!({"signature": "c2lnbmVk", "tool_calls": [{"name": "f", "arguments": "{}"}]}))
    .says(
        json!({"tool_calls": [{"extra_content": {"google": {"thought_signature": "c2lnbmVk"}}}]}),
    )]);
}
