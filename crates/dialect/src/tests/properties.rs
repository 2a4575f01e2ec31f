//! What must hold whatever comes: no panic, no matter of how a stream is cut, nothing lost on the way round.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixtures::fixtures;
use super::{events, written};
use crate::canonical::{
    Arguments, Block, Call, Image, ImageSource, OutputFormat, Raw, Reasoning, ReasoningEffort,
    Role, Text, Tool, ToolChoice, ToolResult, ToolUse, Turn,
};
use crate::{
    Dialect, Encoding, StreamDecoder, decode_call, decode_reply, encode_call, encode_reply,
    read_error,
};

/// Item 41: a stream cut at every byte, in two or in single bytes, gives the same events.
#[test]
fn a_stream_gives_the_same_events_however_it_is_cut() {
    for dialect in Dialect::ALL {
        for (name, text) in fixtures(*dialect, "stream") {
            let bytes = text.as_bytes();
            let whole = events(*dialect, &[bytes]);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(events(*dialect, &single), whole, "{name}");
            for at in 1..bytes.len() {
                let (left, right) = bytes.split_at(at);
                assert_eq!(events(*dialect, &[left, right]), whole, "{name} at {at}");
            }
        }
    }
}

/// Item 53: a stream that ends anywhere before its terminal event is no whole answer and is never closed as one.
#[test]
fn a_stream_that_is_cut_short_is_never_complete() {
    // The first bytes with which each format says that the answer is whole.
    let terminal = |text: &str| {
        let words = [
            "\"finish_reason\":\"",
            "\"message_stop\"",
            "\"finishReason\"",
            "\"blockReason\"",
        ];
        words
            .iter()
            .filter_map(|word| text.find(word))
            .min()
            .unwrap()
    };
    for dialect in Dialect::ALL {
        for (name, text) in fixtures(*dialect, "stream") {
            for end in 0..terminal(&text) {
                let (events, result) = events(*dialect, &[&text.as_bytes()[..end]]);
                assert_eq!(
                    result,
                    Err(crate::StreamFault::Incomplete),
                    "{name} cut at {end}"
                );
                let written = written(&events);
                assert!(!written.contains("[DONE]"), "{name} cut at {end}");
                assert!(
                    !written.contains("\"finish_reason\":\""),
                    "{name} cut at {end}"
                );
            }
        }
    }
}

fn id() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_-]{1,40}"
}

fn words() -> impl Strategy<Value = String> {
    ".{1,12}"
}

fn raw_object() -> impl Strategy<Value = Raw> {
    prop::collection::btree_map("[a-z]{1,4}", any::<i32>(), 0..4)
        .prop_map(|map| Raw::parse(&json!(map).to_string()).unwrap())
}

fn text_block() -> impl Strategy<Value = Block> {
    let extra = prop::option::of(Just((
        "cache_control".to_owned(),
        Raw::parse("{\"type\":\"ephemeral\"}").unwrap(),
    )));
    (words(), extra).prop_map(|(text, extra)| {
        Block::Text(Text {
            text,
            extra: extra.into_iter().collect(),
        })
    })
}

fn user_block() -> impl Strategy<Value = Block> {
    let image = prop_oneof![
        "https://[a-z]{1,8}".prop_map(ImageSource::Url),
        "[a-zA-Z0-9]{0,8}".prop_map(|base64| ImageSource::Data {
            media_type: "image/png".into(),
            base64
        }),
    ];
    let image = (image, prop::option::of(Just("low".to_owned()))).prop_map(|(source, detail)| {
        Block::Image(Image {
            source,
            detail,
            extra: Vec::new(),
        })
    });
    prop_oneof![3 => text_block(), 1 => image]
}

fn tool_use() -> impl Strategy<Value = Block> {
    (id(), "[a-z_]{1,9}", raw_object()).prop_map(|(id, name, arguments)| {
        Block::ToolUse(ToolUse {
            id,
            name,
            arguments: Arguments(arguments.as_str().into()),
            ..ToolUse::default()
        })
    })
}

fn tool_result() -> impl Strategy<Value = Block> {
    (id(), prop::collection::vec(text_block(), 0..3)).prop_map(|(id, content)| {
        Block::ToolResult(ToolResult {
            id,
            content,
            ..ToolResult::default()
        })
    })
}

fn turn(after_tool: bool) -> impl Strategy<Value = Turn> {
    let say = |role: Role, least: usize| {
        prop::collection::vec(text_block(), least..3)
            .prop_map(move |content| Turn::new(role, content))
    };
    let assistant = (
        prop::collection::vec(text_block(), 0..2),
        prop::collection::vec(tool_use(), 0..3),
    )
        .prop_map(|(text, calls)| {
            Turn::new(Role::Assistant, text.into_iter().chain(calls).collect())
        });
    let user = (
        prop::collection::vec(user_block(), 1..4),
        prop::option::of("[a-z]{1,5}"),
    )
        .prop_map(|(content, name)| Turn {
            name,
            ..Turn::new(Role::User, content)
        });
    let tool = prop::collection::vec(tool_result(), 1..3)
        .prop_map(|content| Turn::new(Role::Tool, content));
    // Neighbouring results are one turn when read, so two tool turns must not meet.
    let tool_weight = u32::from(!after_tool);
    prop_oneof![
        1 => say(Role::System, 1),
        1 => say(Role::Developer, 1),
        2 => user,
        2 => assistant,
        tool_weight => tool,
    ]
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    (
        prop::collection::vec(turn(true), 1..4),
        turn(false),
        prop::collection::vec(turn(true), 0..3),
    )
        .prop_map(|(before, tool, after)| before.into_iter().chain([tool]).chain(after).collect())
}

fn call() -> impl Strategy<Value = Call> {
    let tool = (
        "[a-z_]{1,9}",
        prop::option::of(words()),
        prop::option::of(raw_object()),
        any::<Option<bool>>(),
    )
        .prop_map(|(name, description, schema, strict)| Tool {
            name,
            description,
            schema,
            strict,
            extra: Vec::new(),
        });
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        "[a-z]{1,5}".prop_map(ToolChoice::Named),
    ];
    let output = prop_oneof![
        Just(OutputFormat::Text),
        Just(OutputFormat::JsonObject),
        (words(), prop::option::of(raw_object())).prop_map(|(name, schema)| {
            OutputFormat::JsonSchema {
                name,
                description: None,
                schema,
                strict: Some(true),
            }
        }),
    ];
    let reasoning = prop_oneof![
        Just(Reasoning::Off),
        Just(Reasoning::Effort(ReasoningEffort::High))
    ];
    let flags = (
        any::<bool>(),
        any::<Option<bool>>(),
        any::<Option<u32>>(),
        any::<Option<i64>>(),
        1..4_u32,
    );
    let lists = (
        prop::collection::vec(tool, 0..3),
        prop::collection::vec(words(), 0..3),
    );
    let parts = (
        prop::option::of(choice),
        output,
        prop::option::of(reasoning),
        raw_object(),
    );
    (turns(), flags, lists, parts).prop_map(
        |(turns, flags, (tools, stop), (choice, output, reasoning, extra))| {
            let (stream, parallel, most, seed, choices) = flags;
            let mut call = Call::new(Dialect::OpenaiChat, "m");
            call.turns = turns;
            (
                call.stream,
                call.include_usage,
                call.parallel_tools,
                call.choices,
            ) = (stream, stream, parallel, choices);
            (call.tools, call.stop, call.tool_choice, call.output) = (tools, stop, choice, output);
            call.reasoning = reasoning;
            call.max_output = most.map(u64::from);
            call.sampling.seed = seed;
            call.sampling.temperature =
                seed.map(|seed| f64::from(u8::try_from(seed.rem_euclid(200)).unwrap()) / 100.0);
            call.extra = vec![("x_unknown".to_owned(), extra)];
            call
        },
    )
}

proptest! {
    #[test]
    fn a_call_written_and_read_again_is_the_same(call in call()) {
        let encoding = Encoding { model: "m", ..Encoding::default() };
        let sent = encode_call(Dialect::OpenaiChat, &call, &encoding).unwrap();
        prop_assert_eq!(&sent.losses, &Vec::new());
        let read = decode_call(Dialect::OpenaiChat, &sent.body).unwrap();
        prop_assert_eq!(read, call);
    }

    #[test]
    fn every_dialect_writes_json_or_refuses_by_name(call in call()) {
        let encoding = Encoding { model: "m", ..Encoding::default() };
        for dialect in Dialect::ALL {
            match encode_call(*dialect, &call, &encoding) {
                Ok(sent) => prop_assert!(serde_json::from_slice::<Value>(&sent.body).unwrap().is_object()),
                Err(error) => prop_assert!(error.param.is_some()),
            }
        }
    }

    #[test]
    fn an_answer_written_and_read_again_is_the_same(
        text in prop::option::of(words()), thought in prop::option::of(words()),
        calls in prop::collection::vec(tool_use(), 0..3), input in any::<u32>(), cached in any::<Option<u32>>()
    ) {
        let mut content = Vec::new();
        content.extend(thought.map(|text| Block::Thinking(crate::canonical::Thinking { text, ..Default::default() })));
        content.extend(text.map(Block::text));
        let finish = if calls.is_empty() { crate::canonical::Finish::Length } else { crate::canonical::Finish::ToolCalls };
        content.extend(calls);
        let mut reply = crate::Reply { id: Some("chatcmpl-test".into()), model: Some("asked".into()), ..Default::default() };
        reply.usage.input = Some(input.into());
        reply.usage.output = Some(1);
        reply.usage.cache_read = cached.map(u64::from);
        reply.choices.push(crate::canonical::Choice { content, finish, extra: Vec::new() });
        let body = encode_reply(Dialect::OpenaiChat, &reply, &super::frame());
        prop_assert_eq!(decode_reply(Dialect::OpenaiChat, &body).unwrap(), reply);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        any_reader(&bytes);
    }

    #[test]
    fn no_damage_to_a_fixture_panics(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
    ) {
        let mut all = Vec::new();
        for dialect in Dialect::ALL {
            for kind in ["reply", "stream"] {
                all.extend(fixtures(*dialect, kind));
            }
        }
        all.extend(fixtures(Dialect::OpenaiChat, "call"));
        let mut bytes = which.get(&all).1.clone().into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        any_reader(&bytes);
    }

    #[test]
    fn json_of_any_shape_panics_nowhere(value in odd_json()) {
        any_reader(value.to_string().as_bytes());
        any_reader(format!("data: {value}\n\n").as_bytes());
    }
}

/// JSON with the right keys and any values.
fn odd_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "[a-z_]{0,6}".prop_map(Value::from),
        prop::sample::select(vec![
            "assistant",
            "tool",
            "text",
            "tool_use",
            "message_delta",
            "stop",
            "content_block_start"
        ])
        .prop_map(Value::from),
    ];
    let keys = vec![
        "choices",
        "message",
        "delta",
        "content",
        "tool_calls",
        "function",
        "arguments",
        "usage",
        "error",
        "type",
        "index",
        "content_block",
        "candidates",
        "parts",
        "functionCall",
        "args",
        "messages",
        "role",
        "model",
        "id",
        "finish_reason",
        "stop_reason",
        "finishReason",
        "thinking",
        "text",
        "tools",
        "response_format",
        "image_url",
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => prop::collection::btree_map(prop::sample::select(keys.clone()).prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Everything that reads foreign bytes.
fn any_reader(bytes: &[u8]) {
    for dialect in Dialect::ALL {
        if let Ok(call) = decode_call(*dialect, bytes) {
            for target in Dialect::ALL {
                drop(encode_call(*target, &call, &Encoding::default()));
            }
        }
        if let Ok(reply) = decode_reply(*dialect, bytes) {
            drop(encode_reply(Dialect::OpenaiChat, &reply, &super::frame()));
        }
        drop(read_error(*dialect, bytes));
        let mut decoder = StreamDecoder::new(*dialect);
        let mut events = Vec::new();
        drop(decoder.push(bytes, &mut events));
        drop(decoder.finish(&mut events));
        written(&events);
    }
}
