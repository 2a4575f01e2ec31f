//! How long the upstream asks us to wait: in headers, in Google's error details, in the words of a message.
//!
//! The order and the forms are those of failures.md, 6.8. What cannot be read counts as not said.

mod parse;

pub use parse::http_date;

use std::time::Duration;

use memchr::memmem;

/// Hints are cut to an hour.
pub const LONGEST_HINT: Duration = Duration::from_secs(3600);

/// How much of a body is searched.
const SEARCHED: usize = 64 * 1024;

/// What the upstream asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Not before so long.
    After(Duration),
    /// Not again at all (`grpc-retry-pushback-ms` below zero).
    Never,
}

/// The wait that the upstream asks for, at most an hour; see [`read`] for the difference between "never" and nothing.
///
/// `headers` gives a header's value by its lower-case name, `body` is the error's body as far as it was read, and
/// `now_unix` the seconds since 1970. Meant for the statuses 429, 503, 529 and 413, and for 2xx.
#[must_use]
pub fn retry_hint<'h>(
    headers: impl Fn(&str) -> Option<&'h str>,
    body: Option<&[u8]>,
    now_unix: i64,
) -> Option<Duration> {
    match read(headers, body, now_unix)? {
        Hint::After(wait) => Some(wait),
        Hint::Never => None,
    }
}

/// The same, telling "never" from nothing.
#[must_use]
pub fn read<'h>(
    headers: impl Fn(&str) -> Option<&'h str>,
    body: Option<&[u8]>,
    now_unix: i64,
) -> Option<Hint> {
    let after = |wait: Duration| Hint::After(wait.min(LONGEST_HINT));
    let body = body.map(|body| body.get(..SEARCHED).unwrap_or(body));
    ["retry-after-ms", "x-ms-retry-after-ms"]
        .iter()
        .find_map(|name| parse::milliseconds(headers(name)?))
        .or_else(|| parse::retry_after(headers("retry-after")?, now_unix))
        .or_else(|| retry_delay(body?))
        .map(after)
        .or_else(|| pushback(headers("grpc-retry-pushback-ms")?))
        .or_else(|| in_words(body?).map(after))
        .or_else(|| spent_dimension(&headers, &RATE_LIMITS, now_unix).map(after))
        .or_else(|| spent_dimension(&headers, &ANTHROPIC_LIMITS, now_unix).map(after))
        .or_else(|| spent_dimension(&headers, &DRAFT_LIMITS, now_unix).map(after))
        .or_else(|| structured(headers("ratelimit")?).map(after))
        .or_else(|| repeated_in_body(body?, now_unix).map(after))
}

/// `grpc-retry-pushback-ms`: below zero means never. Source: gRPC proposal A6.
fn pushback(value: &str) -> Option<Hint> {
    let millis: i64 = value.trim().parse().ok()?;
    let wait = u64::try_from(millis).ok().map(Duration::from_millis);
    Some(wait.map_or(Hint::Never, |wait| Hint::After(wait.min(LONGEST_HINT))))
}

/// `"retryDelay": "34s"` of `google.rpc.RetryInfo`. Source: `google/rpc/error_details.proto`.
fn retry_delay(body: &[u8]) -> Option<Duration> {
    let at = memmem::find(body, b"\"retryDelay\"")?;
    let rest = body.get(at + b"\"retryDelay\"".len()..)?;
    let text = String::from_utf8_lossy(rest.get(..64).unwrap_or(rest)).into_owned();
    let (_, value) = text.split_once('"')?;
    let (value, _) = value.split_once('"')?;
    parse::units(value)
}

/// "try again in 1m2.5s", "retry after 26 seconds", "Retry in 41.5s", "wait 20 seconds", in any case of letters.
fn in_words(body: &[u8]) -> Option<Duration> {
    const OPENINGS: [&[u8]; 5] = [
        b"try again in ",
        b"try again after ",
        b"retry after ",
        b"retry in ",
        b"wait ",
    ];
    let body = body.to_ascii_lowercase();
    OPENINGS.iter().find_map(|opening| {
        // The words may stand there before without a time: "please wait and try again".
        memmem::find_iter(&body, opening).find_map(|at| {
            let rest = body.get(at + opening.len()..)?;
            parse::spoken(&String::from_utf8_lossy(rest.get(..48).unwrap_or(rest)))
        })
    })
}

/// `"default";r=0;t=30`, several with commas between them: the longest `t` of those of which nothing remains.
/// Source: draft-ietf-httpapi-ratelimit-headers-10, section 4.
fn structured(value: &str) -> Option<Duration> {
    let spent = value.split(',').filter_map(|policy| {
        let parameter = |name: &str| {
            policy.split(';').skip(1).find_map(|part| {
                let (key, value) = part.trim().split_once('=')?;
                (key == name).then(|| value.trim())
            })
        };
        (parameter("r")? == "0").then(|| parse::seconds_of(parameter("t")?))?
    });
    spent.max()
}

/// Headers of the provider behind that the error's body repeats: `"X-RateLimit-Reset":"1741305600000"`, beside
/// `"X-RateLimit-Remaining":"0"`. Source: `OpenRouter`, errors of free models, `error.metadata.headers`, seen 2026-11.
fn repeated_in_body(body: &[u8], now_unix: i64) -> Option<Duration> {
    let value = |name: &[u8]| {
        let at = memmem::find(body, name)? + name.len();
        let rest = body.get(at..)?;
        let text = String::from_utf8_lossy(rest.get(..48).unwrap_or(rest)).into_owned();
        let value = text.trim_start_matches(['"', ':', ' ']);
        let end = value.find(|c: char| !c.is_ascii_digit() && c != '.');
        value.get(..end?).map(str::to_owned)
    };
    if value(b"\"X-RateLimit-Remaining")? != "0" {
        return None;
    }
    parse::reset(&value(b"\"X-RateLimit-Reset")?, now_unix)
}

/// A family of headers that tell, per dimension, what remains and when it is whole again.
struct Limits {
    remaining: &'static str,
    reset: &'static str,
    /// What comes behind the prefix in the first form or in place of `*` in the second.
    dimensions: &'static [&'static str],
}

/// Source: the rate limit pages of OpenAI, Groq, Mistral, Azure, Cerebras, `DigitalOcean` and `OpenRouter`, seen 2026-11.
const RATE_LIMITS: Limits = Limits {
    remaining: "x-ratelimit-remaining*",
    reset: "x-ratelimit-reset*",
    dimensions: &[
        "-requests",
        "-tokens",
        "-input-tokens",
        "-output-tokens",
        "-tokens_usage_based",
        "-project-requests",
        "-project-tokens",
        "-req-minute",
        "-tokens-minute",
        "-requests-minute",
        "-requests-hour",
        "-requests-day",
        "-tokens-hour",
        "-tokens-day",
        "-tokens-per-minute",
        "-tokens-per-day",
        "",
    ],
};

/// Source: draft-ietf-httpapi-ratelimit-headers-07, section 5; servers of plain HTTP send them.
const DRAFT_LIMITS: Limits = Limits {
    remaining: "ratelimit-remaining*",
    reset: "ratelimit-reset*",
    dimensions: &[""],
};

/// Source: Anthropic API, rate limits, response headers, seen 2026-11.
const ANTHROPIC_LIMITS: Limits = Limits {
    remaining: "anthropic-ratelimit*-remaining",
    reset: "anthropic-ratelimit*-reset",
    dimensions: &["-requests", "-tokens", "-input-tokens", "-output-tokens"],
};

/// When the dimensions are whole again of which nothing remains; never those of which something does.
fn spent_dimension<'h>(
    headers: &impl Fn(&str) -> Option<&'h str>,
    limits: &Limits,
    now_unix: i64,
) -> Option<Duration> {
    limits
        .dimensions
        .iter()
        .filter_map(|dimension| {
            let remaining: f64 = headers(&limits.remaining.replace('*', dimension))?
                .trim()
                .parse()
                .ok()?;
            let reset = headers(&limits.reset.replace('*', dimension))?;
            (remaining <= 0.0).then(|| parse::reset(reset, now_unix))?
        })
        .max()
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
