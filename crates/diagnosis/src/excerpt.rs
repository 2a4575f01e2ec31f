//! What may be shown of a foreign body: the words of an error, the title of a page, and known phrases. Nothing else.
//!
//! Some upstreams repeat the prompt in their errors, so free text is shown only where `signals.toml` knows how it begins.
//! Secrets are masked everywhere.

use serde_json::Value;

use crate::signals::{self, Form, lower};

/// The most bytes of an excerpt.
pub const LONGEST_EXCERPT: usize = 256;
/// The most bytes of a title.
const LONGEST_TITLE: usize = 120;
/// The most bytes of a known message.
const LONGEST_MESSAGE: usize = 200;
/// Bodies larger than this are not parsed for an excerpt.
const LARGEST_PARSED: usize = 64 * 1024;

/// What may be shown of a body, at most 256 bytes, and the title if it is a web page.
#[must_use]
pub fn scrub(body: &[u8], content_type: Option<&str>) -> (Option<String>, Option<String>) {
    let searched = body.get(..signals::SEARCHED).unwrap_or(body);
    let text = String::from_utf8_lossy(searched);
    let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if is_page(text, content_type) {
        return (
            found_phrases(&entities(text), Form::Page).map(|found| clip(&found, LONGEST_EXCERPT)),
            title(text),
        );
    }
    let parsed = (body.len() <= LARGEST_PARSED && text.starts_with(['{', '[']))
        .then(|| serde_json::from_slice::<Value>(body).ok())
        .flatten();
    let shown = match parsed {
        Some(value) => error_words(&value),
        None => edge_number(text)
            .or_else(|| known_message(text))
            .or_else(|| found_phrases(text, Form::Message)),
    };
    (shown.map(|shown| clip(&shown, LONGEST_EXCERPT)), None)
}

/// The message with secrets masked, if it is one that a provider is known to send and that repeats no prompt.
#[must_use]
pub fn known_message(message: &str) -> Option<String> {
    let message = message.trim();
    let message = message
        .get(..message.floor_char_boundary(signals::SEARCHED))
        .unwrap_or(message);
    signals::table()
        .is_known_message(&lower(message))
        .then(|| clip(&mask(&one_line(message)), LONGEST_MESSAGE))
}

/// A word such as an error's type or parameter: shown if it looks like a word of a program and not of a person.
#[must_use]
pub fn machine_word(word: &str) -> Option<&str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.:/[]*$".contains(c);
    (!word.is_empty() && word.len() <= 80 && word.chars().all(fits) && mask(word) == word)
        .then_some(word)
}

/// Whether a body is a web page, by its type or its first characters.
pub(crate) fn is_page(text: &str, content_type: Option<&str>) -> bool {
    let starts = |what: &str| {
        text.get(..what.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(what))
    };
    content_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("html"))
        || starts("<!doctype html")
        || starts("<html")
}

/// `type`, `code`, `param` and a known message of an error object, wherever it stands.
fn error_words(value: &Value) -> Option<String> {
    let value = value
        .as_array()
        .and_then(|list| list.first())
        .unwrap_or(value);
    let error = value
        .get("error")
        .filter(|error| error.is_object())
        .unwrap_or(value);
    let mut parts = Vec::new();
    for name in ["type", "status", "code", "param"] {
        let word = match error.get(name) {
            Some(Value::String(text)) => machine_word(text).map(str::to_owned),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        if let Some(word) = word {
            parts.push(format!("{name} {word}"));
        }
    }
    let message = ["message", "detail", "error"]
        .iter()
        .find_map(|name| error.get(name)?.as_str());
    if let Some(text) = message {
        let shown = known_message(text).or_else(|| found_phrases(text, Form::Message));
        parts.extend(shown.map(|shown| format!("\"{shown}\"")));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The known phrases in a text, instead of the text.
fn found_phrases(text: &str, form: Form) -> Option<String> {
    let lower = lower(text);
    let mut found = signals::table().phrases_in(&lower, form);
    // The footers by which pages tell their maker.
    let makers = [
        ("<center>nginx", "nginx"),
        ("cloudflare ray id", "cloudflare"),
        ("<center>openresty", "nginx"),
    ];
    found.extend(
        makers
            .iter()
            .filter(|(mark, _)| lower.contains(mark))
            .map(|(_, maker)| format!("page by {maker}")),
    );
    (!found.is_empty()).then(|| found.join("; "))
}

/// The whole text of Cloudflare's plain errors: `error code: 1015`.
fn edge_number(text: &str) -> Option<String> {
    let number = text.trim_end().strip_prefix("error code: ")?;
    let fits = (3..=4).contains(&number.len()) && number.chars().all(|c| c.is_ascii_digit());
    fits.then(|| format!("error code: {number}"))
}

/// The text of `<title>`, in one line.
fn title(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let open = start + lower.get(start..)?.find('>')? + 1;
    let end = open + lower.get(open..)?.find("</title")?;
    let text = one_line(&entities(page.get(open..end)?));
    (!text.is_empty()).then(|| clip(&mask(&text), LONGEST_TITLE))
}

fn entities(text: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&rsquo;", "’"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (entity, plain)| {
        text.replace(entity, plain)
    })
}

/// Control characters and runs of white space become one space.
fn one_line(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most so many bytes, cut between characters.
pub(crate) fn clip(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let kept = text
        .get(..text.floor_char_boundary(most.saturating_sub('…'.len_utf8())))
        .unwrap_or_default();
    format!("{}…", kept.trim_end())
}

/// Beginnings of keys and tokens, and of ids that name an account.
const SECRET_STARTS: [&str; 19] = [
    "sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "gsk_", "xai-", "aiza", "akia", "asia", "ghp_",
    "hf_", "eyj", "nvapi-", "tgp_", "key-", "org-", "proj_",
];

/// Words after which a secret stands: behind white space, or behind a colon or an equals sign.
const BEFORE_SECRET: [&str; 10] = [
    "bearer",
    "basic",
    "key",
    "apikey",
    "token",
    "secret",
    "password",
    "passwd",
    "provided",
    "authorization",
];

/// Replaces what looks like a key, a token, a password or an account's id by `…`.
#[must_use]
pub fn mask(text: &str) -> String {
    let text = mask_user_in_urls(text);
    let mut masked = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(start) = rest.find(is_key_character) {
        let (between, from) = rest.split_at(start);
        masked.push_str(between);
        let end = from.find(|c| !is_key_character(c)).unwrap_or(from.len());
        let (run, after) = from.split_at(end);
        masked.push_str(if looks_secret(run) || follows_a_name(&masked, run) {
            "…"
        } else {
            run
        });
        rest = after;
    }
    masked.push_str(rest);
    masked
}

fn is_key_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '*')
}

fn looks_secret(run: &str) -> bool {
    let lower = run.to_ascii_lowercase();
    let known = SECRET_STARTS.iter().any(|start| lower.starts_with(start));
    let has = |test: fn(&char) -> bool| run.chars().any(|c| test(&c));
    let random = has(char::is_ascii_digit)
        && (has(char::is_ascii_lowercase) || has(char::is_ascii_uppercase));
    let mixed =
        has(char::is_ascii_digit) && has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase);
    (known && run.len() >= 8)
        || run.contains("***")
        || (random && run.len() >= 32 && !run.contains('-'))
        || (mixed && run.len() >= 40)
}

/// Whether what was written so far ends with `key: `, `Bearer ` and the like.
fn follows_a_name(before: &str, run: &str) -> bool {
    let name_end = before.trim_end_matches([' ', ':', '=', '"', '\'', '`', '\\']);
    let between = before.get(name_end.len()..).unwrap_or_default();
    let start = name_end
        .rfind(|c: char| !c.is_ascii_alphabetic())
        .map_or(0, |at| at + 1);
    let name = name_end
        .get(start..)
        .unwrap_or_default()
        .to_ascii_lowercase();
    let scheme = matches!(name.as_str(), "bearer" | "basic");
    let named = BEFORE_SECRET.contains(&name.as_str());
    run.len() >= 4
        && !BEFORE_SECRET.contains(&run.to_ascii_lowercase().as_str())
        && ((scheme && !between.is_empty()) || (named && between.contains([':', '='])))
}

/// `https://user:password@host` loses what stands before the `@`.
fn mask_user_in_urls(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || "/?#\"'<>".contains(c))
            .unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                masked.push_str("…@");
                masked.push_str(host);
            }
            None => masked.push_str(authority),
        }
        rest = tail;
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        for (text, expected) in [
            (
                "Incorrect API key provided: sk-abc***wxyz. You can",
                "Incorrect API key provided: …. You can",
            ),
            (
                "Authorization: Bearer abcd1234 refused",
                "Authorization: Bearer … refused",
            ),
            (
                "see https://user:pa55@host.example/x?key=AIzaSyA1234567890",
                "see https://…@host.example/x?key=…",
            ),
            ("api_key=hunter22", "api_key=…"),
            ("token \"abcdef\"", "token \"abcdef\""),
            ("{\"token\": \"abcdef\"}", "{\"token\": \"…\"}"),
            (
                "for gpt-4o in organization org-a1B2c3D4e5 on tokens",
                "for gpt-4o in organization … on tokens",
            ),
            ("eyJhbGciOiJIUzI1NiJ9 rest", "… rest"),
            ("0123456789abcdef0123456789abcdef", "…"),
            (
                "The model `meta-llama/Llama-3.3-70B-Instruct-Turbo`",
                "The model `meta-llama/Llama-3.3-70B-Instruct-Turbo`",
            ),
            ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5-20250929"),
        ] {
            assert_eq!(mask(text), expected, "{text}");
        }
    }

    #[test]
    fn a_page_shows_its_title_and_known_phrases_but_none_of_its_text() {
        let page = b"<html><head><TITLE>\n 502 Bad&amp;Gateway </TITLE></head><body>hello secret<hr><center>nginx</center>";
        let (excerpt, title) = scrub(page, Some("text/html; charset=utf-8"));
        assert_eq!(title.as_deref(), Some("502 Bad&Gateway"));
        assert_eq!(excerpt.as_deref(), Some("page by nginx"));
        let (excerpt, _) = scrub(b"<html>Our model railway: page not found", None);
        assert_eq!(excerpt, None);
        let (excerpt, _) = scrub(b"<!DOCTYPE html><p>Sorry! We'll be back at noon.", None);
        assert_eq!(excerpt.as_deref(), Some("we'll be back"));
    }

    #[test]
    fn an_error_object_shows_its_words_and_only_a_known_message() {
        let check = |body: &str, expected: Option<&str>| {
            let (excerpt, title) = scrub(body.as_bytes(), Some("application/json"));
            assert_eq!(excerpt.as_deref(), expected, "{body}");
            assert_eq!(title, None);
        };
        check(
            r#"{"error":{"type":"rate_limit_error","code":"rate_limit_exceeded","message":"Rate limit reached for gpt-4o"}}"#,
            Some(
                "type rate_limit_error, code rate_limit_exceeded, \"Rate limit reached for gpt-4o\"",
            ),
        );
        check(
            r#"{"error":{"type":"invalid_request_error","param":"messages[0].content","message":"Invalid: 'my secret diary'"}}"#,
            Some("type invalid_request_error, param messages[0].content"),
        );
        check(
            r#"[{"error":{"status":"UNAVAILABLE","code":503,"message":"The model is overloaded."}}]"#,
            Some("status UNAVAILABLE, code 503, \"The model is overloaded.\""),
        );
        check(r#"{"error":"please translate my diary"}"#, None);
        check(r#"{"error":{"type":"my own words here"}}"#, None);
        check("please translate my diary", None);
        check("no healthy upstream", Some("no healthy upstream"));
    }

    #[test]
    fn an_excerpt_is_at_most_256_bytes_and_whole_characters() {
        let body = format!("overloaded {}", "é".repeat(900));
        let (excerpt, _) = scrub(body.as_bytes(), None);
        let excerpt = excerpt.expect("a known message");
        assert!(
            excerpt.len() <= LONGEST_EXCERPT && excerpt.ends_with('…'),
            "{excerpt}"
        );
    }

    proptest! {
        #[test]
        fn whatever_the_body_nothing_panics_and_a_key_never_shows(
            before in any::<Vec<u8>>(), after in any::<Vec<u8>>(), kind in prop::option::of(".{0,12}"),
        ) {
            let mut body = before;
            body.extend_from_slice(b" sk-proj-abcdefgh12345678 ");
            body.extend_from_slice(&after);
            let (excerpt, title) = scrub(&body, kind.as_deref());
            for shown in [excerpt, title].into_iter().flatten() {
                prop_assert!(!shown.contains("abcdefgh12345678") && shown.len() <= LONGEST_EXCERPT);
            }
        }

        #[test]
        fn masking_never_panics_and_changes_nothing_twice(text in ".{0,200}") {
            let once = mask(&text);
            prop_assert_eq!(mask(&once), once);
        }
    }
}
