//! Tests of the tap and of the look at whole answers.

use proptest::prelude::*;

use crate::ReplyFault;

use super::*;

const ROLE: &str = r#"{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
const TEXT: &str = "{\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"caf\u{e9} \u{2028} \u{1f600}\"},\"finish_reason\":null}],\"usage\":null}";
const END: &str =
    r#"{"id":"c1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str = r#"{"id":"c1","model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":2},"completion_tokens_details":{"reasoning_tokens":1}}}"#;

fn sse(data: &[&str]) -> String {
    data.iter()
        .map(|data| format!("data: {data}\n\n"))
        .collect()
}

struct Seen {
    relayed: String,
    items: Vec<TapItem>,
    tap: Tap,
    result: Result<(), StreamFault>,
}

fn run(chunks: &[&[u8]], drop_usage: bool) -> Seen {
    let mut tap = Tap::new(Dialect::OpenaiChat, drop_usage);
    let mut items = Vec::new();
    let mut result = Ok(());
    for chunk in chunks {
        result = tap.push(Bytes::copy_from_slice(chunk), &mut items);
        if result.is_err() {
            break;
        }
    }
    if result.is_ok() {
        result = tap.finish(&mut items);
    }
    let relayed = items.iter().flat_map(|item| item.bytes.to_vec()).collect();
    Seen {
        relayed: String::from_utf8(relayed).unwrap(),
        items,
        tap,
        result,
    }
}

#[test]
fn a_whole_stream_passes_verbatim_and_is_read_on_the_way() {
    let stream = sse(&[ROLE, TEXT, END, USAGE, "[DONE]"]);
    let seen = run(&[stream.as_bytes()], false);
    assert_eq!(seen.result, Ok(()));
    assert_eq!(seen.relayed, stream);
    assert_eq!(
        seen.items.len(),
        1,
        "whole events of one chunk go out in one slice"
    );
    assert_eq!(seen.tap.finish_reason(), Some("stop"));
    assert!(seen.tap.saw_terminal());
    assert_eq!(seen.tap.events(), 5);
    let usage = seen.tap.usage();
    assert_eq!(
        (usage.input, usage.output, usage.cache_read, usage.reasoning),
        (Some(9), Some(4), Some(2), Some(1))
    );
}

/// Item 4: the chunk that only we asked for does not reach the client.
#[test]
fn the_usage_chunk_is_dropped_when_the_client_did_not_ask() {
    let stream = sse(&[ROLE, TEXT, END, USAGE, "[DONE]"]);
    let seen = run(&[stream.as_bytes()], true);
    assert_eq!(seen.relayed, sse(&[ROLE, TEXT, END, "[DONE]"]));
    assert_eq!(seen.tap.usage().input, Some(9));
}

#[test]
fn lifecycle_is_no_content() {
    for (data, content) in [
        (ROLE, false),
        (TEXT, true),
        (END, true),
        (USAGE, false),
        (
            r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#,
            true,
        ),
        (
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#,
            true,
        ),
        (
            r#"{"choices":[{"delta":{"content":null,"tool_calls":[],"refusal":null}}]}"#,
            false,
        ),
        (r#"{"choices":[],"prompt_filter_results":[{}]}"#, false),
    ] {
        let mut items = Vec::new();
        Tap::new(Dialect::OpenaiChat, false)
            .push(Bytes::from(sse(&[data])), &mut items)
            .unwrap();
        assert_eq!(items[0].content, content, "{data}");
    }
}

/// Item 53: an end without the terminal event is a fault, also when the bytes ended cleanly.
#[test]
fn an_end_without_terminal_event_is_incomplete() {
    assert_eq!(
        run(&[sse(&[ROLE, TEXT]).as_bytes()], false).result,
        Err(StreamFault::Incomplete)
    );
    assert_eq!(run(&[b""], false).result, Err(StreamFault::Incomplete));
    assert_eq!(
        run(&[b"data: [DONE]\n\n"], false).result,
        Err(StreamFault::Incomplete)
    );
    assert_eq!(
        run(&[b": ping\n\n"], false).result,
        Err(StreamFault::Incomplete)
    );
}

#[test]
fn a_missing_done_after_a_finish_reason_is_made_good() {
    let seen = run(&[sse(&[ROLE, TEXT, END]).as_bytes()], false);
    assert_eq!(seen.result, Ok(()));
    assert!(seen.relayed.ends_with("data: [DONE]\n\n"));
}

/// A proxy that drops a stream between two answers leaves one of them without its end.
#[test]
fn of_several_answers_each_needs_its_finish_reason() {
    let of = |index: u32, rest: &str| format!(r#"{{"choices":[{{"index":{index},{rest}}}]}}"#);
    let (first, second) = (
        of(0, r#""delta":{"content":"a"}"#),
        of(1, r#""delta":{"content":"b"}"#),
    );
    let (ends, ends_too) = (
        of(0, r#""delta":{},"finish_reason":"stop""#),
        of(1, r#""delta":{},"finish_reason":"length""#),
    );
    let cut = run(&[sse(&[&first, &second, &ends]).as_bytes()], false);
    assert_eq!(cut.result, Err(StreamFault::Incomplete));
    let whole = run(
        &[sse(&[&first, &second, &ends, &ends_too]).as_bytes()],
        false,
    );
    assert_eq!(whole.result, Ok(()));
    assert!(whole.tap.lacks_end());
}

#[test]
fn what_follows_the_end_goes_nowhere() {
    let good = sse(&[ROLE, TEXT, END, "[DONE]"]);
    let more = good.clone() + &sse(&[TEXT]) + "data: no json\n\n";
    let seen = run(&[more.as_bytes()], false);
    assert_eq!((seen.result, seen.relayed), (Ok(()), good));
}

/// Legal, or near enough, and more than many readers of streams can take: it goes out in the usual form.
#[test]
fn odd_forms_go_out_in_the_usual_one() {
    let good = sse(&[ROLE, TEXT, END, "[DONE]"]);
    for odd in [
        format!("\u{feff}{good}"),
        good.replace("data: [DONE]", "data:  [DONE] "),
        good.replace("[DONE]", "[done]"),
        good.replacen("data: ", "event: ping\n\nretry: 10\n\nid: 4\n\ndata: ", 1),
        good.replacen(
            "data: ",
            "event: ping\ndata: ping\n\ndata:\n\ndata:  \n\ndata: ",
            1,
        ),
    ] {
        let seen = run(&[odd.as_bytes()], false);
        assert_eq!(seen.result, Ok(()), "{odd}");
        assert_eq!(seen.relayed, good, "{odd}");
        assert!(!seen.tap.lacks_end(), "{odd}");
    }
}

#[test]
fn an_error_is_known_whatever_its_wrapping() {
    for error in [
        "data: {\"error\":{\"message\":\"boom\",\"type\":\"t\"}}\n\n",
        "data: {\"object\":\"error\",\"message\":\"boom\",\"type\":\"t\",\"code\":\"3\"}\n\n",
        "data: {\"message\":\"boom\",\"code\":500}\n\n",
        "data: {\"detail\":\"boom\"}\n\n",
        "data: {\"success\":false,\"errors\":[{\"message\":\"boom\"}]}\n\n",
        "data: {\"error\":{\"error\":{\"message\":\"boom\"}}}\n\n",
        "data: [{\"error\":{\"message\":\"boom\"}}]\n\n",
        "event: error\ndata: {\"message\":\"boom\"}\n\n",
        "event: error\ndata: boom\n\n",
        "event: error\ndata: \"boom\"\n\n",
        "{\"error\":\"boom\"}\n\n",
    ] {
        let stream = sse(&[ROLE, TEXT]) + error;
        let Err(StreamFault::ErrorEvent(words)) = run(&[stream.as_bytes()], false).result else {
            panic!("{error}");
        };
        assert_eq!(words.message.as_deref(), Some("boom"), "{error}");
        // The same through the canonical form.
        let mut decoder = StreamDecoder::new(Dialect::MistralChat);
        let read = decoder.push(stream.as_bytes(), &mut Vec::new());
        assert!(
            matches!(read, Err(StreamFault::ErrorEvent(_))),
            "{error}: {read:?}"
        );
    }
}

#[test]
fn what_only_looks_like_an_error_is_none() {
    for chunk in [
        r#"{"error":null,"choices":[{"delta":{"content":"x"}}]}"#,
        r#"{"error":"","choices":[{"delta":{"content":"x"}}]}"#,
        r#"{"error":{},"choices":[{"delta":{"content":"x"}}]}"#,
        r#"{"error":false,"choices":[{"delta":{"content":"x"}}]}"#,
        r#"{"choices":[{"delta":{"content":"{\"error\":1}"}}]}"#,
        r#"{"choices":null}"#,
        r#"{"type":"heartbeat"}"#,
    ] {
        let stream = sse(&[ROLE, chunk, END, "[DONE]"]);
        let seen = run(&[stream.as_bytes()], false);
        assert_eq!((seen.result, seen.relayed), (Ok(()), stream), "{chunk}");
    }
}

#[test]
fn a_message_in_place_of_deltas_is_told_in_deltas() {
    let whole = r#"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi","refusal":null,"tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":5}}"#;
    let seen = run(&[sse(&[whole, "[DONE]"]).as_bytes()], false);
    assert_eq!(seen.result, Ok(()));
    assert_eq!(seen.tap.usage().output, Some(5));
    assert!(seen.items.iter().any(|item| item.content));
    let again = run(&[seen.relayed.as_bytes()], false);
    assert_eq!((again.result, &again.relayed), (Ok(()), &seen.relayed));
    assert!(
        seen.relayed.contains(r#""delta":{"content":"hi","#),
        "{}",
        seen.relayed
    );
    assert!(seen.relayed.contains(r#""index":0"#) && !seen.relayed.contains("message"));
    let told = crate::as_stream(whole.as_bytes(), false).unwrap();
    let told = run(&[&told], false);
    assert_eq!(
        (told.result, told.tap.finish_reason()),
        (Ok(()), Some("tool_calls"))
    );
    assert_eq!(told.tap.usage(), TokenUsage::default());
    assert_eq!(crate::as_stream(b"{\"choices\":[{}]}", true), None);
}

#[test]
fn a_cut_after_the_finish_reason_takes_nothing_away() {
    for cut in ["data: [DO", "data: {\"choices\":[],\"usa", "dat", ": ke"] {
        let stream = sse(&[ROLE, TEXT, END]);
        let seen = run(&[(stream.clone() + cut).as_bytes()], false);
        assert_eq!(seen.result, Ok(()), "{cut}");
        assert_eq!(seen.relayed, stream + "data: [DONE]\n\n", "{cut}");
    }
    let early = run(&[(sse(&[ROLE]) + "event: mess").as_bytes()], false);
    assert_eq!(
        (early.result, early.relayed),
        (Err(StreamFault::Incomplete), sse(&[ROLE]))
    );
}

#[test]
fn a_last_event_without_blank_line_counts() {
    let stream = sse(&[ROLE, TEXT, END]) + "data: [DONE]";
    let seen = run(&[stream.as_bytes()], false);
    assert_eq!(seen.result, Ok(()));
    assert_eq!(seen.relayed, stream + "\n\n");
}

/// Item 52: an error may come at any point, and what came before it was still good.
#[test]
fn an_error_event_ends_the_stream_at_any_point() {
    let error = r#"{"error":{"message":"busy","type":"server_error","code":503}}"#;
    for before in [vec![], vec![ROLE], vec![ROLE, TEXT]] {
        let good = sse(&before);
        let seen = run(&[(good.clone() + &sse(&[error, TEXT])).as_bytes()], false);
        let Err(StreamFault::ErrorEvent(words)) = seen.result else {
            panic!("{:?}", seen.result)
        };
        assert_eq!(words.kind.as_deref(), Some("server_error"));
        assert_eq!(words.status, Some(503));
        assert_eq!(seen.relayed, good);
    }
}

/// Item 32: the finish reason `error` is none.
#[test]
fn an_answer_that_failed_is_an_error() {
    let failed = r#"{"choices":[{"index":0,"delta":{},"message":{},"finish_reason":"error"}]}"#;
    let seen = run(&[sse(&[ROLE, failed]).as_bytes()], false);
    assert!(matches!(seen.result, Err(StreamFault::ErrorEvent(_))));
    assert_eq!(seen.relayed, sse(&[ROLE]));
    let whole = inspect_reply(Dialect::OpenaiChat, failed.as_bytes());
    assert!(matches!(whole, Err(ReplyFault::ErrorObject(_))));
}

/// Other formats are watched, too, and relayed as they came.
#[test]
fn streams_of_other_formats_are_read_on_the_way() {
    let anthropic = include_str!("../anthropic_messages/fixtures/stream/thinking-tools.sse");
    let gemini = include_str!("../gemini/fixtures/stream/text.sse");
    for (dialect, stream, reason, input) in [
        (Dialect::AnthropicMessages, anthropic, "tool_calls", 115),
        (Dialect::Gemini, gemini, "stop", 8),
    ] {
        let mut tap = Tap::new(dialect, false);
        let mut items = Vec::new();
        tap.push(Bytes::from(stream), &mut items).unwrap();
        tap.finish(&mut items).unwrap();
        let relayed: Vec<u8> = items.iter().flat_map(|item| item.bytes.to_vec()).collect();
        assert_eq!(relayed, stream.as_bytes());
        assert_eq!(
            (tap.finish_reason(), tap.usage().input),
            (Some(reason), Some(input))
        );
        let mut cut = Tap::new(dialect, false);
        cut.push(Bytes::from(stream).slice(..stream.len() / 2), &mut items)
            .unwrap();
        assert_eq!(cut.finish(&mut items), Err(StreamFault::Incomplete));
    }
}

#[test]
fn an_error_without_framing_is_found() {
    for body in [
        "{\"error\":{\"message\":\"no\"}}",
        "{\n  \"error\": {\n \"message\": \"no\"\n}}\n",
    ] {
        let result = run(&[body.as_bytes()], false).result;
        let Err(StreamFault::ErrorEvent(words)) = result else {
            panic!("{result:?}")
        };
        assert_eq!(words.message.as_deref(), Some("no"));
    }
    assert!(matches!(
        run(&[b"<html>\n\n"], false).result,
        Err(StreamFault::Malformed { .. })
    ));
}

#[test]
fn a_broken_event_is_not_passed_on() {
    for broken in ["{\"choices\":[", "nonsense", "{\"choices\":[]} {}"] {
        let seen = run(&[sse(&[ROLE, broken, TEXT]).as_bytes()], false);
        assert!(
            matches!(seen.result, Err(StreamFault::Malformed { event: 2, .. })),
            "{:?}",
            seen.result
        );
        assert_eq!(seen.relayed, sse(&[ROLE]));
    }
    let bytes = [b"data: {\"a\":\"".as_slice(), b"\xff\"}\n\n"].concat();
    assert!(matches!(
        run(&[&bytes], false).result,
        Err(StreamFault::Malformed { event: 1, .. })
    ));
}

#[test]
fn an_event_over_the_bound_ends_the_stream() {
    let mut tap = Tap::new(Dialect::OpenaiChat, false);
    let mut items = Vec::new();
    let chunk = Bytes::from(vec![b'a'; 1 << 20]);
    let result = (0..9).try_for_each(|_| tap.push(chunk.clone(), &mut items));
    assert_eq!(result, Err(StreamFault::TooLarge { limit: 8 << 20 }));
}

/// Items 41 and 69: any split, every line ending, several data lines, comments, U+2028 and split characters.
#[test]
fn a_stream_cut_at_every_byte_is_relayed_byte_for_byte() {
    for (ending, relayed_ending) in [("\n", "\n"), ("\r\n", "\r\n"), ("\r", "\n")] {
        let stream = format!(
            ": hi\n\ndata: {{\ndata: \"choices\":[]}}\n\n{}",
            sse(&[ROLE, TEXT, END, USAGE, "[DONE]"])
        );
        // What ends in `\r` alone goes out with the ending that all readers know.
        let relayed = stream.replace('\n', relayed_ending);
        let stream = stream.replace('\n', ending);
        let whole = run(&[stream.as_bytes()], false);
        assert_eq!(whole.result, Ok(()));
        assert_eq!(whole.relayed, relayed);
        let single: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        for cuts in [single].into_iter().chain((1..stream.len()).map(|at| {
            let (left, right) = stream.as_bytes().split_at(at);
            vec![left, right]
        })) {
            let seen = run(&cuts, false);
            assert_eq!(seen.result, Ok(()));
            assert_eq!(seen.relayed, relayed);
            assert_eq!(seen.tap.usage(), whole.tap.usage());
            assert_eq!(seen.tap.events(), 6);
        }
    }
}

#[test]
fn a_whole_answer_gives_its_facts() {
    let body = br#"{"id":"x","model":"m-1","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":5.0}}"#;
    let facts = inspect_reply(Dialect::OpenaiChat, body).unwrap();
    assert_eq!(facts.finish_reason.as_deref(), Some("length"));
    assert_eq!(facts.model.as_deref(), Some("m-1"));
    assert_eq!((facts.usage.input, facts.usage.output), (Some(3), Some(5)));
}

#[test]
fn a_body_that_is_no_answer_says_what_it_is() {
    let fault = |body: &[u8]| inspect_reply(Dialect::OpenaiChat, body).unwrap_err();
    assert_eq!(fault(b""), ReplyFault::Empty);
    assert_eq!(fault(b" \n"), ReplyFault::Empty);
    assert_eq!(fault(b"<!doctype html>"), ReplyFault::NotJson { at: 0 });
    assert_eq!(
        fault(b"{\"choices\":[{\"mess"),
        ReplyFault::NotJson { at: 18 }
    );
    assert!(matches!(fault(b"[]"), ReplyFault::WrongShape { .. }));
    assert!(matches!(fault(b"{}"), ReplyFault::WrongShape { .. }));
    assert!(matches!(
        fault(b"{\"choices\":[]}"),
        ReplyFault::WrongShape { .. }
    ));
    assert!(matches!(
        fault(b"{\"choices\":[{}]}"),
        ReplyFault::WrongShape { .. }
    ));
    assert!(matches!(
        fault(b"{\"choices\":[1]}"),
        ReplyFault::WrongShape { .. }
    ));
    for body in [
        r#"{"error":{"code":502,"message":"bad"}}"#,
        r#"{"object":"error","message":"bad","code":502}"#,
        r#"{"error":"bad"}"#,
        r#"[{"error":{"message":"bad"}}]"#,
        r#"{"detail":"bad"}"#,
        r#"{"message":"bad"}"#,
    ] {
        let ReplyFault::ErrorObject(words) = fault(body.as_bytes()) else {
            panic!("{body}")
        };
        assert_eq!(words.message.as_deref(), Some("bad"), "{body}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6)) {
        for dialect in Dialect::ALL {
            let mut tap = Tap::new(*dialect, true);
            let mut items = Vec::new();
            for chunk in &chunks {
                drop(tap.push(Bytes::from(chunk.clone()), &mut items));
                drop(inspect_reply(*dialect, chunk));
            }
            drop(tap.finish(&mut items));
        }
    }

    #[test]
    fn soup_of_events_does_not_depend_on_its_cuts(
        text in "(data: |event: error|\\{\"choices\":\\[\\]\\}|\n|\r|\r\n|x|:c|\\{|\\[DONE\\]){0,30}",
        at in any::<prop::sample::Index>()
    ) {
        let bytes = text.as_bytes();
        let (left, right) = bytes.split_at(at.index(bytes.len() + 1));
        let (whole, cut) = (run(&[bytes], false), run(&[left, right], false));
        prop_assert_eq!(&whole.result, &cut.result);
        // The second half of a cut line ending goes with the event after it, which may be a bad one; and at a cut
        // after `\r` nobody knows yet whether it stands alone.
        let lines = |seen: &Seen| sse::with_line_feeds(seen.relayed.trim_end().as_bytes());
        prop_assert_eq!(lines(&whole), lines(&cut));
    }
}
