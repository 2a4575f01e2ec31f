//! Takes out of an echoed history what other providers put into it and a strict server refuses.
//!
//! A client sends back what it was given: Gemini's signatures, servers' thoughts, marks of caches. OpenAI's API answers
//! 400 to a member that it does not know.

use bytes::Bytes;
use memchr::memmem;

use super::{Edit, Scan, Span};
use crate::json::{Bad, Cursor, Shape};

/// Members of messages, of their calls and of their content parts that OpenAI does not know.
const EXTENSIONS: &[&str] = &[
    "reasoning_content",
    "reasoning",
    "thinking_blocks",
    "provider_specific_fields",
    "extra_content",
    "cache_control",
];

/// What the names have in common, so that most bodies are let through after two looks.
const HINTS: &[&str] = &[
    "reasoning",
    "thinking_blocks",
    "provider_specific",
    "extra_content",
    "cache_control",
];

/// The edits that take the extensions out of the body's messages.
#[must_use]
pub fn without_extensions(body: &[u8], scan: &Scan) -> Vec<Edit> {
    let Some(messages) = scan.messages else {
        return Vec::new();
    };
    let text = messages.of(body);
    if !HINTS
        .iter()
        .any(|hint| memmem::find(text, hint.as_bytes()).is_some())
    {
        return Vec::new();
    }
    let mut edits = Vec::new();
    // The scan has validated the text; a walk that fails all the same takes nothing out.
    let walked = Cursor::new(text).array(|cursor| object(cursor, messages.start, 1, &mut edits));
    if walked.is_ok() { edits } else { Vec::new() }
}

/// A member's place, and whether it goes.
struct Member {
    start: usize,
    end: usize,
    goes: bool,
}

/// Walks a message (`inner` 1) or an object in one of its lists (`inner` 0).
fn object(
    cursor: &mut Cursor<'_>,
    offset: usize,
    inner: u8,
    edits: &mut Vec<Edit>,
) -> Result<(), Bad> {
    if cursor.shape()? != Shape::Object {
        return cursor.skip().map(drop);
    }
    let mut members: Vec<Member> = Vec::new();
    let mut inside = Vec::new();
    cursor.object(|cursor, key| {
        let start = cursor.start_of(&key);
        let goes = EXTENSIONS.iter().any(|name| key.is(name));
        let list = inner > 0 && !goes && (key.is("tool_calls") || key.is("content"));
        if list && cursor.shape()? == Shape::Array {
            cursor.array(|cursor| object(cursor, offset, inner - 1, &mut inside))?;
        } else {
            cursor.skip()?;
        }
        members.push(Member {
            start,
            end: cursor.at(),
            goes,
        });
        Ok::<(), Bad>(())
    })?;
    edits.append(&mut inside);
    let mut kept_before: Option<usize> = None;
    let mut after = members.iter().skip(1);
    for member in &members {
        let next = after.next().map(|next| next.start);
        if !member.goes {
            kept_before = Some(member.end);
            continue;
        }
        // With the comma before it, or, at the start, with the one after it.
        let (start, end) = match kept_before {
            Some(before) => (before, member.end),
            None => (member.start, next.unwrap_or(member.end)),
        };
        kept_before = kept_before.map(|_| member.end);
        edits.push(Edit::Replace(
            Span {
                start: offset + start,
                end: offset + end,
            },
            Bytes::new(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Rewrite, rewrite, scan};
    use super::*;

    fn stripped(messages: &str) -> String {
        let body = Bytes::from(format!("{{\"model\":\"m\", \"messages\" : {messages}}}"));
        let found = scan(&body).unwrap();
        let wanted = Rewrite {
            model: "m",
            ask_for_usage: false,
            strip_extensions: true,
        };
        let text = String::from_utf8(rewrite(&body, &found, &wanted).concat()).unwrap();
        text.strip_prefix("{\"model\":\"m\", \"messages\" : ")
            .unwrap()
            .strip_suffix('}')
            .unwrap()
            .to_owned()
    }

    /// Items 3 and 14: nothing of other providers reaches a server that refuses it, and all else stays as it was.
    #[test]
    fn extensions_go_wherever_they_stand_in_a_message() {
        for (messages, expected) in [
            (
                r#"[{"reasoning_content":"x","role":"assistant"}]"#,
                r#"[{"role":"assistant"}]"#,
            ),
            (
                r#"[{"role":"assistant" , "reasoning_content" : "x"}]"#,
                r#"[{"role":"assistant"}]"#,
            ),
            (
                r#"[{"a":1,"reasoning":1,"extra_content":{},"b":2}]"#,
                r#"[{"a":1,"b":2}]"#,
            ),
            (
                r#"[{"reasoning":1,"extra_content":{}, "b":2}]"#,
                r#"[{"b":2}]"#,
            ),
            (r#"[{"reasoning":1,"extra_content":{}}]"#, r#"[{}]"#),
            (
                r#"[{"tool_calls":[{"id":"a","extra_content":{"google":{}}},{"id":"b"}],"x":1}]"#,
                r#"[{"tool_calls":[{"id":"a"},{"id":"b"}],"x":1}]"#,
            ),
            (
                r#"[{"content":[{"cache_control":{"type":"ephemeral"},"type":"text","text":"cache_control"}]}]"#,
                r#"[{"content":[{"type":"text","text":"cache_control"}]}]"#,
            ),
            (
                r#"[{"content":"\"reasoning\":1"},3]"#,
                r#"[{"content":"\"reasoning\":1"},3]"#,
            ),
        ] {
            assert_eq!(stripped(messages), expected, "{messages}");
        }
    }

    #[test]
    fn any_mix_of_members_leaves_valid_json_with_the_others() {
        let keys = ["a", "reasoning", "b", "extra_content"];
        for bits in 0..(1_u32 << 8) {
            let chosen: Vec<&str> = (0..4)
                .map(|at| keys[((bits >> (at * 2)) & 3) as usize])
                .collect();
            let members: Vec<String> = chosen
                .iter()
                .enumerate()
                .map(|(n, key)| format!("\"{key}\":{n}"))
                .collect();
            let text = stripped(&format!("[{{{}}}]", members.join(",")));
            let value: Value = serde_json::from_str(&text).unwrap();
            for key in keys {
                let expected = chosen
                    .iter()
                    .rposition(|chosen| *chosen == key)
                    .filter(|_| key.len() == 1);
                assert_eq!(
                    value[0].get(key),
                    expected.map(|n| json!(n)).as_ref(),
                    "{members:?} {text}"
                );
            }
        }
    }
}
