//! The words of single values: durations, sizes, shares, addresses, and the variables inside them.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use types::NanoUsd;

/// A unit of time and its milliseconds.
const TIMES: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// A unit of size and its bytes.
const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// The end of a sentence that says why a text is not what is wanted there.
pub(crate) type Reason = &'static str;

/// `500ms`, `30s`, `5m`, `2h`, `30d`; parts may follow each other: `1m30s`.
pub(crate) fn duration(text: &str) -> Result<Duration, Reason> {
    const WANTED: Reason = "write a number and its unit: 500ms, 30s, 5m, 2h or 30d";
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (value, after) = number_and_unit(rest, TIMES).ok_or(WANTED)?;
        total = total.checked_add(value).ok_or(WANTED)?;
        rest = after;
    }
    if text.is_empty() {
        return Err(WANTED);
    }
    Ok(Duration::from_millis(total))
}

/// `50MB`, `10MiB`, `64KiB`.
pub(crate) fn size(text: &str) -> Result<u64, Reason> {
    const WANTED: Reason = "write a number and its unit: 64KiB, 50MB, 10MiB or 1GB";
    match number_and_unit(text, SIZES) {
        Some((bytes, "")) => Ok(bytes),
        _ => Err(WANTED),
    }
}

/// The value of a leading `<number><unit>`, decimals allowed, and what follows it.
fn number_and_unit<'t>(text: &'t str, units: &[(&str, u64)]) -> Option<(u64, &'t str)> {
    let end = text.find(|one: char| !one.is_ascii_digit() && one != '.')?;
    let (number, rest) = text.split_at_checked(end)?;
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let end = rest
        .find(|one: char| !one.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(end)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().ok()?;
    if fraction.is_empty() || fraction.len() > 6 {
        return None;
    }
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction: u64 = fraction.parse().ok()?;
    let part = fraction.checked_mul(*factor)? / scale;
    let value = whole.checked_mul(*factor)?.checked_add(part)?;
    Some((value, rest))
}

/// `0.02`, `$0.02`, `0.02usd`.
pub(crate) fn dollars(text: &str) -> Result<NanoUsd, Reason> {
    const WANTED: Reason = "write dollars: 0.02";
    let number = text.strip_prefix('$').unwrap_or(text);
    let number = number.strip_suffix("usd").unwrap_or(number);
    match number_and_unit(&format!("{}usd", number.trim()), &[("usd", 1_000_000_000)]) {
        Some((nanos, "")) => Ok(NanoUsd::new(nanos)),
        _ => Err(WANTED),
    }
}

/// `20%`.
pub(crate) fn share(text: &str) -> Result<f64, Reason> {
    const WANTED: Reason = "write a share of 0% to 100%: 20%";
    let number: f64 = text
        .strip_suffix('%')
        .and_then(|number| number.trim_end().parse().ok())
        .ok_or(WANTED)?;
    if (0.0..=100.0).contains(&number) {
        Ok(number / 100.0)
    } else {
        Err(WANTED)
    }
}

/// `true` or `false`.
pub(crate) fn boolean(text: &str) -> Result<bool, Reason> {
    match text {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        _ => Err("write true or false"),
    }
}

/// `127.0.0.1:4000`, `[::1]:4000`, `localhost:4000`, `:4000` (loopback).
pub(crate) fn listen(text: &str) -> Result<SocketAddr, Reason> {
    const WANTED: Reason = "write an address and a port: 127.0.0.1:4000, or 0.0.0.0:4000 for all";
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    match text.rsplit_once(':') {
        Some(("" | "localhost", port)) => {
            let port = port.parse().map_err(|_| WANTED)?;
            Ok(SocketAddr::from(([127, 0, 0, 1], port)))
        }
        _ => Err(WANTED),
    }
}

/// A piece of a text with variables.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    /// Text as it is.
    Plain(&'t str),
    /// `${NAME}` or `${NAME:-default}`.
    Variable {
        name: &'t str,
        default: Option<&'t str>,
    },
    /// `${file:/path}`.
    File(&'t str),
}

/// Takes a text apart at its `${...}`; `$${` is a literal `${`.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Reason> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        if let Some(escaped) = before.strip_suffix('$') {
            pieces.push(Piece::Plain(escaped));
            pieces.push(Piece::Plain("${"));
            rest = after.strip_prefix("${").unwrap_or_default();
            continue;
        }
        pieces.push(Piece::Plain(before));
        let inner = after.strip_prefix("${").unwrap_or_default();
        let (inner, after) = inner
            .split_once('}')
            .ok_or("a `${` needs its `}`; write `$${` for the characters themselves")?;
        pieces.push(reference(inner)?);
        rest = after;
    }
    pieces.push(Piece::Plain(rest));
    pieces.retain(|piece| *piece != Piece::Plain(""));
    Ok(pieces)
}

fn reference(inner: &str) -> Result<Piece<'_>, Reason> {
    if let Some(path) = inner.strip_prefix("file:") {
        return Ok(Piece::File(path.trim()));
    }
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let is_name = !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name {
        Ok(Piece::Variable { name, default })
    } else {
        Err("inside `${ }` stands a variable's name, NAME:-default or file:/path")
    }
}

/// Prefixes that keys of providers have, and our own.
const KEY_PREFIXES: &[&str] = &[
    "sk-", "xai-", "gsk_", "AIza", "tgp_", "key-", "pk-", "Bearer ",
];

/// Names whose values are secrets; `response_header` and `first_token` are none.
const SECRET_NAMES: &[&str] = &[
    "api_key",
    "key",
    "header",
    "access_token",
    "session_token",
    "secret_access_key",
    "client_secret",
    "secret",
    "token",
    "password",
];

/// A line of a file as it may be shown: what looks like a secret is covered, character for character, so that carets
/// stay where they belong. References to variables and files stay.
pub(crate) fn masked(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    let mut covers_next = false;
    while let Some(start) = rest.find(|one: char| !is_separator(one)) {
        let (separators, tail) = rest.split_at_checked(start).unwrap_or(("", rest));
        out.push_str(separators);
        if let Some((reference, after)) = split_reference(tail) {
            out.push_str(reference);
            rest = after;
            continue;
        }
        let end = tail.find(is_separator).unwrap_or(tail.len());
        let (word, tail) = tail.split_at_checked(end).unwrap_or((tail, ""));
        let is_key = tail.trim_start_matches(['"', '\'']).starts_with(':');
        if !is_key && (covers_next || looks_secret(word)) {
            out.extend(word.chars().map(|_| '•'));
        } else {
            out.push_str(word);
        }
        // `x-key: value` inside `header: "x-key: value"` goes on being secret.
        let names_secret = SECRET_NAMES.contains(&word);
        covers_next = if is_key {
            names_secret || covers_next
        } else {
            covers_next && !tail.starts_with([',', '}', ']'])
        };
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// A text that begins with `${...}`, split behind it.
fn split_reference(text: &str) -> Option<(&str, &str)> {
    let end = text.starts_with("${").then(|| text.find('}'))??;
    text.split_at_checked(end + 1)
}

fn is_separator(one: char) -> bool {
    one.is_whitespace() || matches!(one, '"' | '\'' | ',' | '[' | ']' | '{' | '}' | ':' | '#')
}

fn looks_secret(word: &str) -> bool {
    KEY_PREFIXES
        .iter()
        .any(|prefix| word.starts_with(prefix) && word.len() > prefix.len() + 4)
        || (word.len() >= 32
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'='))
            && word.bytes().any(|b| b.is_ascii_digit())
            && word.bytes().any(|b| b.is_ascii_alphabetic()))
}

/// `30s` again, for messages.
pub(crate) fn show(duration: Duration) -> String {
    let millis = duration.as_millis();
    let mut out = String::new();
    let (factor, unit) = match millis {
        0 => (1, "s"),
        _ if millis.is_multiple_of(60_000) && millis > 600_000 => (60_000, "m"),
        _ if millis.is_multiple_of(1000) => (1000, "s"),
        _ => (1, "ms"),
    };
    // Writing to a string cannot fail.
    write!(out, "{}{unit}", millis / factor).ok();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_have_units_and_may_have_decimals() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("1.5s", 1_500),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("30 s", 30_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "30",
            "s",
            "30x",
            "-1s",
            "1..5s",
            "99999999999999999999d",
            "１s",
            "1.5.s",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(size("50MB"), Ok(50_000_000));
        assert_eq!(size("1.5KiB"), Ok(1536));
        for text in ["", "50", "MB", "50mb", "1MBx", "50MB50MB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn money_is_in_dollars() {
        for (text, nanos) in [
            ("0.02", 20_000_000),
            ("$1", 1_000_000_000),
            ("1.5 usd", 1_500_000_000),
        ] {
            assert_eq!(dollars(text), Ok(NanoUsd::new(nanos)), "{text}");
        }
        for text in ["", "$", "0.02eur", "-1", "1e3", "0.0000001"] {
            assert!(dollars(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_are_percentages() {
        assert_eq!(share("20%"), Ok(0.2));
        for text in ["20", "0.2", "-1%", "101%", "NaN%", "%"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn variables_are_found_and_dollars_can_be_escaped() {
        assert_eq!(
            pieces("a${B}c${D:-e f}${file:/g}$h").unwrap(),
            [
                Piece::Plain("a"),
                Piece::Variable {
                    name: "B",
                    default: None
                },
                Piece::Plain("c"),
                Piece::Variable {
                    name: "D",
                    default: Some("e f")
                },
                Piece::File("/g"),
                Piece::Plain("$h"),
            ]
        );
        assert_eq!(
            pieces("$${A}").unwrap(),
            [Piece::Plain("${"), Piece::Plain("A}")]
        );
        for text in ["${", "${}", "${1A}", "${A", "${a-b}"] {
            assert!(pieces(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_looks_like_a_secret_is_covered_in_place() {
        for (line, shown) in [
            ("api_key: sk-abcdefgh", "api_key: •••••••••••"),
            ("{ api_key: \"pass word\" }", "{ api_key: \"•••• ••••\" }"),
            (
                "api_key: \"${OPENAI_API_KEY}\"",
                "api_key: \"${OPENAI_API_KEY}\"",
            ),
            ("header: \"x-key: abc\"", "header: \"x-key: •••\""),
            ("{ api_key: abc, rpm: 60 }", "{ api_key: •••, rpm: 60 }"),
            ("targets: [openai/gpt-5]", "targets: [openai/gpt-5]"),
            (
                "timeout: { response_header: 30s, first_token: 9s }",
                "timeout: { response_header: 30s, first_token: 9s }",
            ),
            ("secret: hunter2 hunter3", "secret: ••••••• •••••••"),
        ] {
            assert_eq!(masked(line), shown);
            assert_eq!(masked(line).chars().count(), line.chars().count());
        }
    }
}
