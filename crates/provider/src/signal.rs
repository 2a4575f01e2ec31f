//! Reads what an upstream said: an error body into a [`Signal`], a models answer into names.

use diagnosis::Signal;
use dialect::{Dialect, ErrorWords};
use http::HeaderMap;
use serde_json::Value;

use crate::kind::{Kind, Reading};

/// Error bodies are read up to here; a longer one is no error message.
const MAX_ERROR_BYTES: usize = 256 * 1024;

/// At most this many names of a models answer are kept.
const MAX_MODELS: usize = 10_000;

/// Longest message that goes into a signal; the rest says nothing more.
const MAX_MESSAGE: usize = 2_000;

/// What an error answer says, and what it means at this kind; `None` when the body holds no words of an error.
#[must_use]
pub fn signal(
    kind: &Kind,
    dialect: Dialect,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> Option<Signal> {
    let body = body.get(..MAX_ERROR_BYTES.min(body.len()))?;
    let words = dialect::read_error(dialect, body)?;
    Some(signal_of(kind, status, headers, words))
}

/// The same for words that were read already, such as those of an error event in a stream.
#[must_use]
pub fn signal_of(kind: &Kind, status: u16, headers: &HeaderMap, words: ErrorWords) -> Signal {
    let reading = Reading {
        status,
        words: &words,
        headers,
    };
    let concluded = (kind.explain)(&reading);
    Signal {
        kind: words.kind,
        // A status that stands in the body says as much as a code of that number.
        code: words
            .code
            .or_else(|| words.status.map(|status| status.to_string())),
        param: words.param,
        message: words.message.map(shortened),
        concluded,
    }
}

fn shortened(message: String) -> String {
    match message.char_indices().nth(MAX_MESSAGE) {
        Some(_) => message.chars().take(MAX_MESSAGE).collect(),
        None => message,
    }
}

/// Reads an upstream's answer to [`crate::Operation::Models`]; `None` when it is no list of models.
#[must_use]
pub fn list_models(kind: &Kind, body: &[u8]) -> Option<Vec<String>> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let (list, name) = if kind.dialect == Dialect::Gemini {
        (value.get("models")?, "name")
    } else {
        // Together answers with the bare list.
        (value.get("data").unwrap_or(&value), "id")
    };
    let names = list
        .as_array()?
        .iter()
        .filter_map(|entry| entry.get(name)?.as_str())
        .map(|text| text.strip_prefix("models/").unwrap_or(text).to_owned())
        .take(MAX_MODELS)
        .collect();
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unwrap_in_result, reason = "a test")]
    fn message(body: &str) -> Option<String> {
        let kind = crate::kind("openai-compatible").expect("a kind");
        signal(kind, kind.dialect, 500, &HeaderMap::new(), body.as_bytes())?.message
    }

    #[test]
    fn error_bodies_outside_the_dialect_are_still_read() {
        for (body, words) in [
            (r#"{"error":"model 'x' not found"}"#, "model 'x' not found"),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            (r#"{"object":"error","message":"gone"}"#, "gone"),
        ] {
            assert_eq!(message(body).as_deref(), Some(words), "{body}");
        }
    }

    #[test]
    fn a_body_without_an_error_gives_no_signal() {
        for body in ["", "<html>", "[]", "null", "{}", r#"{"choices":[]}"#] {
            assert_eq!(message(body), None, "{body}");
        }
    }

    #[test]
    fn models_are_listed_from_every_known_form() {
        for (name, body) in [
            (
                "openai",
                r#"{"object":"list","data":[{"id":"a"},{"id":"b"},{"x":1}]}"#,
            ),
            ("together", r#"[{"id":"a"},{"id":"b"}]"#),
            ("gemini", r#"{"models":[{"name":"models/a"},{"name":"b"}]}"#),
        ] {
            let kind = crate::kind(name).unwrap();
            assert_eq!(
                list_models(kind, body.as_bytes()),
                Some(vec!["a".to_owned(), "b".to_owned()])
            );
        }
        assert_eq!(list_models(crate::kind("openai").unwrap(), b"<html>"), None);
    }
}
