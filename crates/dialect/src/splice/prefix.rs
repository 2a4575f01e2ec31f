//! What of a conversation stays the same from turn to turn: tools, and the messages up to the first user's.

use crate::json::{Bad, Cursor, Shape, Span};

/// The parts of a body that the turns of one conversation share, in the order in which they are written: `tools`, and
/// each message up to the first that has the role `user`, that one included. Nothing of a body that has neither.
///
/// Meant for a body that was scanned; of any other, what was found before it goes wrong.
#[must_use]
pub fn stable_prefix(body: &[u8]) -> Vec<Span> {
    let mut found = Vec::new();
    let mut cursor = Cursor::new(body);
    // A body that cannot be read is refused elsewhere.
    walk(&mut cursor, &mut found).unwrap_or_default();
    found
}

fn walk(cursor: &mut Cursor<'_>, found: &mut Vec<Span>) -> Result<(), Bad> {
    cursor.object(|cursor, key| {
        if key.is("tools") {
            found.push(cursor.spanned()?.1);
        } else if key.is("messages") && cursor.is_before(b'[') {
            messages(cursor, found)?;
        } else {
            cursor.skip()?;
        }
        Ok(())
    })
}

fn messages(cursor: &mut Cursor<'_>, found: &mut Vec<Span>) -> Result<(), Bad> {
    let mut is_over = false;
    cursor.array(|cursor| {
        let start = cursor.at();
        if is_over || cursor.shape()? != Shape::Object {
            cursor.skip()?;
            return Ok(());
        }
        cursor.object(|cursor, key| {
            if key.is("role") && cursor.is_before(b'"') {
                is_over |= cursor.text()?.is("user");
            } else {
                cursor.skip()?;
            }
            Ok::<(), Bad>(())
        })?;
        let end = cursor.at();
        found.push(Span { start, end });
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix(body: &str) -> Vec<&str> {
        let spans = stable_prefix(body.as_bytes());
        let text = spans
            .iter()
            .map(|span| body.get(span.start..span.end).unwrap());
        text.collect()
    }

    #[test]
    fn later_turns_have_the_prefix_of_the_first() {
        let first = r#"{"model":"m","messages":[{"role":"system","content":"be kind"}, {"content":"hi","role":"user"}],"tools":[{"type":"function"}]}"#;
        let later = r#"{"model":"n","stream":true,"messages":[{"role":"system","content":"be kind"}, {"content":"hi","role":"user"},{"role":"assistant","content":"hello"},{"role":"user","content":"more"}],"tools":[{"type":"function"}]}"#;
        assert_eq!(prefix(first), prefix(later));
        assert_eq!(
            prefix(first),
            [
                r#"{"role":"system","content":"be kind"}"#,
                r#"{"content":"hi","role":"user"}"#,
                r#"[{"type":"function"}]"#
            ]
        );
    }

    #[test]
    fn another_beginning_is_another_prefix() {
        let of = |system: &str, user: &str| {
            format!(
                r#"{{"messages":[{{"role":"system","content":"{system}"}},{{"role":"user","content":"{user}"}}]}}"#
            )
        };
        let one = of("a", "b");
        assert_ne!(prefix(&one), prefix(&of("a", "c")));
        assert_ne!(prefix(&one), prefix(&of("c", "b")));
    }

    #[test]
    fn bodies_without_one_have_none() {
        for body in [
            "{}",
            "[]",
            "",
            r#"{"messages":"hi"}"#,
            r#"{"messages":[1, null]}"#,
        ] {
            assert_eq!(prefix(body), [""; 0], "{body}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_nothing_panics(body in any::<Vec<u8>>()) {
            let _spans = stable_prefix(&body);
        }
    }
}
