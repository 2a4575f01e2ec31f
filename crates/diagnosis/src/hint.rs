//! How long the upstream asks us to wait.

use std::time::Duration;

/// The wait.
#[must_use]
pub fn retry_hint<'h>(
    headers: impl Fn(&str) -> Option<&'h str>,
    _body: Option<&[u8]>,
    _now_unix: i64,
) -> Option<Duration> {
    headers("retry-after")?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}
