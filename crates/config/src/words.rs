//! The words of `check`: the codes of its findings with what they mean, keys that come later, and keys that other
//! products call otherwise.

/// Every code of a finding, with what `goodgate explain` says of it.
const WORDS: &[(&str, &str)] = &[
    (
        "address_in_use_twice",
        "Two listeners of this configuration have the same address. Give admin.listen or server.listen another port.",
    ),
    (
        "alias_as_target",
        "Targets are written provider/model; an alias cannot be the target of an alias. Write the other alias' targets here.",
    ),
    (
        "alias_shadows",
        "An alias has the name of a model that a provider serves under that same name, and does not begin with it. Clients that ask for the model get the alias. Rename the alias, or put the model first among its targets.",
    ),
    (
        "attempts_exceed_deadline",
        "One attempt alone may use up the total time, so later attempts never happen. Lower the attempt's timer (response_header, first_token) or raise total.",
    ),
    (
        "bad_access",
        "access is `key`, `open`, or `{ open: [networks] }`. Open routes are for clients that cannot carry a key: on this machine, or in the networks listed.",
    ),
    (
        "bad_base_url",
        "base_url must be a plain http:// or https:// URL without user, query or fragment; the version segment (/v1) may be there or not.",
    ),
    (
        "bad_header",
        "A header's name or value cannot be sent: names are letters, digits and dashes, values are printable, and headers that the gateway itself sets (host, content-length, connection, ...) cannot be set here.",
    ),
    (
        "bad_key",
        "A caller's key has exactly one of secret and hash; a secret has at least 16 characters, and if it begins with sk-gg- its checksum must be right.",
    ),
    (
        "bad_name",
        "Names of providers, aliases and keys are 1 to 128 characters without spaces or control characters; a provider's name has no slash.",
    ),
    (
        "bad_path",
        "match.path is a path prefix that starts with / and ends with /**, or one path without it, and leaves the gateway's own paths (/v1, /api, /ui, ...) alone. replace_prefix is a path without a slash at its end.",
    ),
    (
        "bad_value",
        "The value cannot be read as what belongs there; the finding says how it is written. Durations and sizes carry their unit: 500ms, 30s, 50MB.",
    ),
    (
        "bad_variable",
        "A ${...} in a value cannot be read. It holds a variable's name, NAME:-default, or file:/path; $${ writes the characters themselves.",
    ),
    (
        "bad_window",
        "A window of maintenance has a start and an end (2026-12-01T02:00:00Z), or every (day, or a day of the week), at (02:00, which is UTC) and for (2h).",
    ),
    (
        "bad_yaml",
        "The text is no YAML (or JSON), so nothing after this place could be checked. Inside [ ] and { } a variable must be quoted: \"${NAME}\".",
    ),
    (
        "credentials_twice",
        "A provider has either api_key (one key) or credentials (several, named), not both; and no two credentials of one name. A route's auth is one of header, bearer and basic.",
    ),
    (
        "demo_as_fallback",
        "An alias with real targets ends at a demo target that would answer: callers would take scripted text for a model's answer. Remove the demo target.",
    ),
    (
        "demo_off_loopback",
        "The demo models are only served to this machine: on another address they stay off.",
    ),
    (
        "duplicate_name",
        "A key or name stands twice where it may stand once; the first one would win silently elsewhere, here it is an error.",
    ),
    (
        "duplicate_target",
        "The same target stands twice in one alias; attempts at one target are counted by retry.max_attempts, not by repeating it.",
    ),
    (
        "file_not_found",
        "A file that the configuration names does not exist or cannot be read.",
    ),
    (
        "file_too_large",
        "A configuration has at most 1 MiB, 10,000 values (aliases counted at full size) and 64 levels.",
    ),
    (
        "missing_credential",
        "A provider that refuses calls without a key has none. Set its environment variable, or write api_key.",
    ),
    (
        "missing_key",
        "Something that must be written here is missing.",
    ),
    (
        "out_of_range",
        "The number or duration is outside what is allowed there; the finding names the bounds.",
    ),
    (
        "own_address",
        "The address is the gateway's own: a call would go round in a circle.",
    ),
    (
        "own_key",
        "The value is a key of goodgate itself (sk-gg-...), not of a provider. Often OPENAI_API_KEY was set by `goodgate env` in this very shell.",
    ),
    (
        "several_documents",
        "A file holds one YAML document; everything after a second --- would be ignored elsewhere, here it is an error.",
    ),
    (
        "tls_unused",
        "tls settings stand beside a URL that says http://, so they do nothing.",
    ),
    (
        "unknown_code",
        "retry_except names codes or groups of failures, as `goodgate explain` knows them.",
    ),
    (
        "unknown_key",
        "The key is not known at this place. Nothing is ignored silently: a mistyped key would otherwise be a setting that does not act.",
    ),
    (
        "unknown_kind",
        "type names no kind of provider that this version knows. For any server that speaks the OpenAI dialect: openai-compatible.",
    ),
    (
        "unknown_model",
        "The model or alias is not known: the provider's models list does not have it, or no alias and no provider/model is called so.",
    ),
    (
        "unknown_price",
        "A target of an alias with `strategy: cheapest` has no known price, so it is used last. Write its price under its provider's models.",
    ),
    (
        "unknown_provider",
        "A target's first part must be the name of an entry under providers.",
    ),
    (
        "unreadable_file",
        "A file named by ${file:...} cannot be read, or is larger than 64 KiB.",
    ),
    (
        "unset_variable",
        "A variable named by ${NAME} is not set in the gateway's environment. Export it, or write a default: ${NAME:-default}.",
    ),
    (
        "unsupported_key",
        "The key belongs to the design of goodgate but not to this version yet. It is refused rather than ignored.",
    ),
    (
        "unused_target",
        "The target can never be tried: the targets before it use up max_targets or max_attempts.",
    ),
    (
        "weight_unused",
        "A weight stands at an upstream of a route that tries its upstreams in order. Write strategy: weighted, or remove the weight.",
    ),
    (
        "wrong_type",
        "A list stands where a single value or a mapping belongs, or the reverse.",
    ),
];

/// Every word that `check` may say and `goodgate explain` knows: the code and what it means.
#[must_use]
pub fn words() -> &'static [(&'static str, &'static str)] {
    WORDS
}

/// Whether a code is one of [`words`].
pub(crate) fn knows(code: &str) -> bool {
    WORDS.iter().any(|(known, _)| *known == code)
}

/// Keys of the design that this version does not have, by section.
const LATER: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "include",
            "limits",
            "teams",
            "guardrails",
            "cache",
            "audit",
            "ui",
            "egress",
            "budgets",
        ],
    ),
    ("server", &["tls"]),
    (
        "providers.<name>",
        &[
            "limits",
            "region",
            "project",
            "location",
            "access_key_id",
            "secret_access_key",
            "session_token",
            "access_token",
            "api_version",
            "deployments",
            "resolver",
            "proxy",
            "ip_family",
            "status_page",
            "circuit_breaker",
        ],
    ),
    ("providers.<name>.credentials[]", &["weight", "limits"]),
    (
        "models.<name>",
        &[
            "fallback_on",
            "allow_direct",
            "circuit_breaker",
            "hedge",
            "on_stream_cut",
        ],
    ),
    ("models", &["allow_direct"]),
    (
        "resilience",
        &[
            "circuit_breaker",
            "hedge",
            "on_stream_cut",
            "min_attempt_time",
        ],
    ),
    ("routes.<name>", &["hedge", "circuit_breaker", "limits"]),
    ("routes.<name>.match", &["headers"]),
    (
        "keys.<name>",
        &["tags", "budget", "tpm", "expires", "detail", "resilience"],
    ),
    ("storage", &["strict", "ledger", "on_ledger_full"]),
    ("storage.retain", &["bodies", "failed_bodies"]),
    ("telemetry.log", &["level"]),
];

/// What to say of a key that comes with a later version.
pub(crate) fn later(path: &str, key: &str) -> Option<&'static str> {
    LATER
        .iter()
        .any(|(section, keys)| *section == path && keys.contains(&key))
        .then_some(
            "it is refused, not ignored, so that nobody relies on a setting that does not act",
        )
}

/// Keys that other products know, and what they are called here.
const RENAMED: &[(&str, &str, &str)] = &[
    (
        "",
        "model_list",
        "aliases are under `models`, accounts under `providers`; `goodgate docs` shows both",
    ),
    ("", "port", "write  server: { listen: 127.0.0.1:4000 }"),
    ("", "listen", "write  server: { listen: 127.0.0.1:4000 }"),
    (
        "models.<name>",
        "fallback",
        "targets are tried in order; write  targets: [first, second]",
    ),
    (
        "models.<name>",
        "fallbacks",
        "targets are tried in order; write  targets: [first, second]",
    ),
    (
        "models.<name>",
        "target",
        "write  targets: [provider/model]",
    ),
    ("models.<name>", "model", "write  targets: [provider/model]"),
    (
        "models.<name>",
        "provider",
        "write  targets: [provider/model]",
    ),
    (
        "models.<name>",
        "max_attempts",
        "write  retry: { max_attempts: 4 }",
    ),
    (
        "resilience",
        "max_attempts",
        "write  retry: { max_attempts: 4 }",
    ),
    (
        "resilience",
        "retries",
        "write  retry: { max_attempts: 4 }, the first attempt counted",
    ),
    (
        "resilience.retry",
        "attempts",
        "write  max_attempts, the first attempt counted",
    ),
    (
        "resilience.retry",
        "num_retries",
        "write  max_attempts, which counts the first one: num_retries + 1",
    ),
    ("providers.<name>", "key", "write  api_key"),
    ("providers.<name>", "url", "write  base_url"),
    ("providers.<name>", "api_base", "write  base_url"),
    ("providers.<name>", "kind", "write  type"),
    (
        "routes.<name>",
        "path",
        "write  match: { path: /prefix/** }",
    ),
    ("routes.<name>", "upstream", "write  upstreams: [url]"),
    (
        "routes.<name>",
        "strip_prefix",
        "the prefix is stripped unless keep_prefix: true stands here",
    ),
    (
        "routes.<name>",
        "headers",
        "write  request_headers: { set: { x-team: search } }",
    ),
    ("routes.<name>.match", "hosts", "write  host: [api.example]"),
    (
        "routes.<name>.match",
        "methods",
        "write  method: [GET, POST]",
    ),
    ("routes.<name>", "targets", "write  upstreams: [url]"),
    ("keys.<name>", "key", "write  secret"),
    ("server", "port", "write  listen: 127.0.0.1:4000"),
    ("server", "host", "write  listen: 127.0.0.1:4000"),
];

/// What a key of another product is called here.
pub(crate) fn renamed(path: &str, key: &str) -> Option<&'static str> {
    RENAMED
        .iter()
        .find(|(section, known, _)| *section == path && *known == key)
        .map(|(_, _, help)| *help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_and_none_is_a_code_of_a_failure() {
        assert!(WORDS.is_sorted_by_key(|(code, _)| *code));
        for (code, text) in WORDS {
            assert!(
                provider::Code::parse(code).is_none(),
                "{code} means two things"
            );
            assert!(text.ends_with('.'), "{code}");
        }
    }
}
