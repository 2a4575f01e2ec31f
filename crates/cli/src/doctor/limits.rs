//! Limits of an account, as the headers of its provider tell them.

/// Headers that tell a limit begin with one of these.
const STARTS: [&str; 3] = ["x-ratelimit-", "anthropic-ratelimit-", "ratelimit-"];

/// `requests 499 of 500 left, tokens 29000 of 30000 left`; `None` where nothing is told that way.
///
/// OpenAI and its kin write `x-ratelimit-remaining-requests`, Anthropic `anthropic-ratelimit-requests-remaining`.
/// Source: OpenAI, Rate limits in headers; Anthropic, Rate limits, Response headers; seen 2026-11.
pub(super) fn told(headers: &[(String, String)]) -> Option<String> {
    let value = |what: &str, kind: &str| {
        let wanted = |name: &str| {
            let rest = STARTS.iter().find_map(|start| name.strip_prefix(start))?;
            let (first, second) = rest.split_once('-').unwrap_or((rest, ""));
            let is_it = (first, second) == (what, kind) || (first, second) == (kind, what);
            is_it.then_some(())
        };
        headers
            .iter()
            .find(|(name, _)| wanted(name).is_some())
            .map(|(_, value)| value.as_str())
    };
    let parts: Vec<String> = ["requests", "tokens", "input-tokens", "output-tokens"]
        .into_iter()
        .filter_map(|what| {
            let left = value(what, "remaining")?;
            Some(match value(what, "limit") {
                Some(limit) => format!("{what} {left} of {limit} left"),
                None => format!("{what} {left} left"),
            })
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&str, &str)]) -> Option<String> {
        let owned: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        told(&owned)
    }

    #[test]
    fn both_orders_of_words_are_read() {
        let openai = [
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "499"),
            ("x-ratelimit-remaining-tokens", "29000"),
            ("x-ratelimit-reset-requests", "120ms"),
        ];
        assert_eq!(
            check(&openai).as_deref(),
            Some("requests 499 of 500 left, tokens 29000 left")
        );
        let anthropic = [
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2026-11-25T10:00:00Z"),
        ];
        assert_eq!(check(&anthropic).as_deref(), Some("requests 49 of 50 left"));
        assert_eq!(check(&[("x-ratelimit-reset", "1")]), None);
        assert_eq!(check(&[]), None);
    }
}
