//! Tokens and thoughts, in one accounting for all formats.

use types::TokenUsage;

use super::fixtures::fixtures;
use super::{answer, chunks, events, written};
use crate::{Dialect, Event, decode_reply};

fn fixture(dialect: Dialect, kind: &str, name: &str) -> String {
    fixtures(dialect, kind)
        .into_iter()
        .find(|(found, _)| found == name)
        .unwrap()
        .1
}

fn whole(dialect: Dialect, name: &str) -> TokenUsage {
    decode_reply(dialect, fixture(dialect, "reply", name).as_bytes())
        .unwrap()
        .usage
}

fn streamed(dialect: Dialect, name: &str) -> TokenUsage {
    let mut usage = TokenUsage::default();
    for event in events(dialect, &[fixture(dialect, "stream", name).as_bytes()]).0 {
        if let Event::Usage(later) = event {
            usage.replace_with(&later);
        }
    }
    usage
}

fn usage(
    input: u64,
    output: u64,
    cache: (Option<u64>, Option<u64>),
    reasoning: Option<u64>,
) -> TokenUsage {
    TokenUsage {
        input: Some(input),
        output: Some(output),
        cache_read: cache.0,
        cache_write: cache.1,
        reasoning,
    }
}

/// Item 34: cached tokens are part of the input, wherever the provider counts them.
#[test]
fn input_includes_what_went_through_the_cache() {
    let anthropic = usage(3210, 25, (Some(3000), Some(200)), Some(5));
    assert_eq!(whole(Dialect::AnthropicMessages, "text-cached"), anthropic);
    assert_eq!(
        whole(Dialect::OpenaiChat, "text"),
        usage(19, 10, (Some(4), Some(2)), Some(6))
    );
}

/// Item 35: thoughts are part of the output, also where they are counted beside it.
#[test]
fn output_includes_thoughts() {
    assert_eq!(
        whole(Dialect::Gemini, "thoughts"),
        usage(10, 43, (Some(8), None), Some(40))
    );
    assert_eq!(
        streamed(Dialect::Gemini, "text"),
        usage(8, 15, (Some(4), None), Some(12))
    );
}

/// Item 47: totals come more than once, the last of each counts and none is added up.
#[test]
fn totals_of_a_stream_are_not_added_up() {
    let anthropic = usage(115, 89, (Some(100), Some(5)), Some(12));
    assert_eq!(
        streamed(Dialect::AnthropicMessages, "thinking-tools"),
        anthropic
    );
    assert_eq!(
        streamed(Dialect::AnthropicMessages, "overlapping-blocks"),
        usage(4, 9, (None, None), None)
    );
    assert_eq!(
        streamed(Dialect::MistralChat, "tools-whole"),
        usage(81, 19, (None, None), None)
    );
}

/// Item 37: thoughts stand beside the answer, never in it, and the answer is a string.
#[test]
fn thoughts_do_not_leak_into_the_answer() {
    for (dialect, name) in [
        (Dialect::Gemini, "thoughts"),
        (Dialect::MistralChat, "thinking"),
    ] {
        let answer = answer(dialect, &fixture(dialect, "reply", name)).unwrap();
        let message = &answer["choices"][0]["message"];
        assert_eq!(
            (&message["content"], &message["reasoning_content"]),
            (&"Lima.".into(), &"Let me think.".into())
        );
    }
}

/// Items 46 and 48: blocks that overlap and a first chunk without choices are taken as they are meant.
#[test]
fn odd_streams_give_the_answer_they_mean() {
    let text = |dialect, name| -> String {
        let (events, _) = events(dialect, &[fixture(dialect, "stream", name).as_bytes()]);
        let chunks = chunks(&written(&events));
        chunks
            .iter()
            .filter_map(|chunk| {
                chunk["choices"][0]["delta"]["content"]
                    .as_str()
                    .map(str::to_owned)
            })
            .collect()
    };
    assert_eq!(
        text(Dialect::AnthropicMessages, "overlapping-blocks"),
        "Hello"
    );
    assert_eq!(text(Dialect::OpenaiChat, "azure-first-chunk"), "Hi");
    let (events, _) = events(
        Dialect::OpenaiChat,
        &[fixture(Dialect::OpenaiChat, "stream", "azure-first-chunk").as_bytes()],
    );
    assert_eq!(
        events[0],
        Event::Begin {
            id: Some("chatcmpl-3".into()),
            model: Some("gpt-4o".into())
        }
    );
}
