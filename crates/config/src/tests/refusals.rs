//! What is refused, and how that looks.

use super::{check, check_in, codes, environment, rendered};
use crate::diagnostic::{Colour, Severity, summary};
use crate::environment::Environment;

const TEN_MISTAKES: &str = "\
version: 1
server:
  listen: 4000
  drain: 30
providers:
  openai: { api_key: \"${OPENAI_KEY}\" }
  azure-us: { type: azure }
  vllm-a: { type: vllm }
models:
  smart:
    targets: [opnai/gpt-5-mini]
    fallback: [openai/gpt-5]
    timout: { total: 30s }
  fast: { targets: openai/gpt-5-mini }
keys:
  web: { secret: short }
guardrails: {}
";

#[test]
fn ten_mistakes_give_ten_diagnostics_with_ten_carets() {
    let found = check(TEN_MISTAKES);
    assert_eq!(
        codes(&found),
        [
            "bad_value",
            "bad_value",
            "unset_variable",
            "unknown_kind",
            "missing_key",
            "unknown_provider",
            "unknown_key",
            "unknown_key",
            "wrong_type",
            "bad_key",
            "unsupported_key",
        ],
        "{}",
        rendered(&found)
    );
    let text = rendered(&found);
    let carets = text
        .lines()
        .filter(|line| line.trim_start().starts_with("| ") && line.contains('^'));
    assert_eq!(carets.count(), found.len());
    assert_eq!(summary(&found), "11 errors");
    // The list of kinds grows with every kind: it is no part of how this looks.
    let shown: Vec<&str> = text
        .lines()
        .map(|line| line.split(", or one of ").next().unwrap())
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_finding_looks_as_documented() {
    let text = "providers: { openai: {} }\nmodels:\n  smart:\n    targets: [openai/gpt-5]\n    fallback: [azure-eu/gpt-5-mini]\n";
    let found = check(text);
    assert_eq!(
        rendered(&found),
        "error[unknown_key]: unknown key `fallback` in model `smart`\n \
         --> goodgate.yaml:5:5\n\
         5 |     fallback: [azure-eu/gpt-5-mini]\n  \
         |     ^^^^^^^^ not a key of models.<name>\n  \
         = help: targets are tried in order; write  targets: [first, second]\n"
    );
    let coloured = found[0].render_human(Colour::On);
    assert!(coloured.starts_with("\x1b[1;31merror[unknown_key]\x1b[0m"));
    let json = found[0].to_json();
    assert_eq!(json["line"], 5);
    assert_eq!(json["column"], 5);
    assert_eq!(json["length"], 8);
}

/// One mistake each: the text, and what is said of it.
const MISTAKES: &[(&str, &str)] = &[
    ("a: [", "bad_yaml"),
    ("a: [${X}]", "bad_yaml"),
    ("server:\n\tlisten: x", "bad_yaml"),
    ("version: 1\n---\nversion: 1", "several_documents"),
    ("version: 2", "out_of_range"),
    ("version: 1\nversion: 1", "duplicate_name"),
    ("server: [1]", "wrong_type"),
    ("server: { workers: many }", "bad_value"),
    ("server: { workers: 0 }", "out_of_range"),
    ("server: { max_body: 50 }", "bad_value"),
    ("server: { max_body: 5B }", "out_of_range"),
    ("server: { hosts: [\"a/b\"] }", "bad_value"),
    ("server: { trusted_proxies: [10.0.0.0/33] }", "bad_value"),
    ("server: { public_url: gate.example }", "bad_value"),
    ("server: { tls: { cert: x } }", "unsupported_key"),
    ("server: { port: 4000 }", "unknown_key"),
    (
        "server: { listen: 0.0.0.0:4000 }\nadmin: { listen: 0.0.0.0:4000 }",
        "address_in_use_twice",
    ),
    ("server: { listen: \"${NOWHERE}\" }", "unset_variable"),
    ("server: { listen: \"${}\" }", "bad_variable"),
    (
        "providers: { openai: { api_key: \"${file:/nowhere}\" } }",
        "unreadable_file",
    ),
    ("providers: { opena: {} }", "unknown_kind"),
    ("providers: { x: { type: demo } }", "unknown_kind"),
    ("providers: { \"a b\": { type: openai } }", "bad_name"),
    ("providers: { a/b: { type: openai } }", "bad_name"),
    ("providers: { mistral: {} }", "missing_credential"),
    ("providers: { vllm: {} }", "missing_key"),
    ("providers: { vllm: { base_url: x } }", "bad_base_url"),
    (
        "providers: { vllm: { base_url: \"http://localhost:4000\" } }",
        "own_address",
    ),
    ("providers: { openai: { api_key: sk-gg-dev-x } }", "own_key"),
    ("providers: { openai: { api_key: \"a b\" } }", "bad_header"),
    (
        "providers: { openai: { api_key: a, credentials: [] } }",
        "credentials_twice",
    ),
    (
        "providers: { openai: { credentials: [{ name: a, api_key: x }, { name: a, api_key: y }] } }",
        "credentials_twice",
    ),
    (
        "providers: { openai: { credentials: [{ name: a }] } }",
        "missing_key",
    ),
    (
        "providers: { openai: { headers: { host: a } } }",
        "bad_header",
    ),
    (
        "providers: { openai: { headers: { \"a b\": a } } }",
        "bad_header",
    ),
    (
        "providers: { openai: { tls: { ca_file: /nowhere.pem } } }",
        "file_not_found",
    ),
    (
        "providers: { openai: { tls: { min_version: 1.1 } } }",
        "bad_value",
    ),
    (
        "providers: { openai: { timeout: { connect: 0s } } }",
        "out_of_range",
    ),
    (
        "providers: { openai: { timeout: { connect: 3 } } }",
        "bad_value",
    ),
    (
        "providers: { openai: { models: { a: { price: { input: 1 } } } } }",
        "missing_key",
    ),
    (
        "providers: { openai: { models: { a: { price: { input: -1, output: 1 } } } } }",
        "bad_value",
    ),
    ("providers: { openai: { region: eu } }", "unsupported_key"),
    ("models: { a: {} }", "missing_key"),
    ("models: { a: { targets: [] } }", "missing_key"),
    ("models: { a: { targets: [gpt-5] } }", "unknown_provider"),
    ("models: { a: { targets: [groq/x] } }", "unknown_provider"),
    (
        "providers: { openai: { models: [b] } }\nmodels: { a: { targets: [openai/c] } }",
        "unknown_model",
    ),
    (
        "providers: { openai: {} }\nmodels: { a: { targets: [openai/x] }, b: { targets: [a] } }",
        "alias_as_target",
    ),
    (
        "providers: { openai: {} }\nmodels: { a: { targets: [openai/x], strategy: random } }",
        "bad_value",
    ),
    (
        "providers: { openai: {} }\nmodels: { a: { targets: [openai/x], sticky: x } }",
        "bad_value",
    ),
    (
        "providers: { openai: {} }\nmodels: { a: { targets: [openai/x], max_cache_loss: 1 } }",
        "missing_key",
    ),
    (
        "providers: { openai: {} }\nmodels: { a: { targets: [{ weight: 3 }] } }",
        "missing_key",
    ),
    (
        "providers: { openai: {} }\nmodels: { a: { targets: [{ target: openai/x, weight: -1 }] } }",
        "bad_value",
    ),
    (
        "providers: { openai: {} }\nmodels: { a: { targets: [{ target: openai/x, share: 1 }] } }",
        "unknown_key",
    ),
    (
        "providers: { openai: { maintenance: [{ start: 2026-12-01T04:00:00Z, end: 2026-12-01T02:00:00Z }] } }",
        "bad_window",
    ),
    (
        "providers: { openai: { maintenance: [{ start: 2026-12-01T04:00:00Z }] } }",
        "bad_window",
    ),
    (
        "providers: { openai: { maintenance: [{ every: day, at: 02:00, for: 24h }] } }",
        "bad_window",
    ),
    (
        "providers: { openai: { maintenance: [{ every: sunday, at: noon, for: 2h }] } }",
        "bad_value",
    ),
    (
        "providers: { openai: { maintenance: [{ every: sundays, at: 02:00, for: 2h }] } }",
        "bad_value",
    ),
    (
        "keys: { a: { secret: 0123456789abcdef, priority: urgent } }",
        "bad_value",
    ),
    (
        "keys: { a: { secret: 0123456789abcdef, team: 'a b' } }",
        "bad_name",
    ),
    ("resilience: { retry: { max_attempts: 0 } }", "out_of_range"),
    ("resilience: { retry: { budget: 20 } }", "bad_value"),
    (
        "resilience: { retry: { backoff: { initial: 9s, max: 1s } } }",
        "out_of_range",
    ),
    ("resilience: { retry_except: [bad_gatway] }", "unknown_code"),
    ("resilience: { hold: never }", "bad_value"),
    (
        "routes: { a: { match: { path: /a/** }, upstreams: [\"http://a\"], idempotency: { replay: 2d } } }",
        "out_of_range",
    ),
    (
        "providers: { vllm: { base_url: \"http://a\", http_version: 3 } }",
        "bad_value",
    ),
    ("resilience: { hold_for: 2h }", "out_of_range"),
    (
        "routes: { a: { upstreams: [\"http://a\"] } }",
        "missing_key",
    ),
    ("routes: { a: { match: { path: /a/** } } }", "missing_key"),
    (
        "routes: { a: { match: { path: a }, upstreams: [\"http://a\"] } }",
        "bad_path",
    ),
    (
        "routes: { a: { match: { path: /a/*/b }, upstreams: [\"http://a\"] } }",
        "bad_path",
    ),
    (
        "routes: { a: { match: { path: /a, host: \"a.example:80\" }, upstreams: [\"http://a\"] } }",
        "bad_value",
    ),
    (
        "routes: { a: { match: { path: /ui/**, host: a.example }, upstreams: [\"http://a\"] } }",
        "bad_path",
    ),
    (
        "routes: { a: { match: { path: /a, method: BREW }, upstreams: [\"http://a\"] } }",
        "bad_value",
    ),
    (
        "routes: { a: { match: { path: /a, hots: x }, upstreams: [\"http://a\"] } }",
        "unknown_key",
    ),
    (
        "routes: { a: { match: { path: /a }, upstreams: [{ weight: 1 }] } }",
        "missing_key",
    ),
    (
        "routes: { a: { match: { path: /a }, upstreams: [{ url: \"http://a\", health: {} }] } }",
        "missing_key",
    ),
    (
        "routes: { a: { match: { path: /a }, upstreams: [{ url: \"http://a\", health: { path: /h, interval: 1ms } }] } }",
        "out_of_range",
    ),
    (
        "routes: { a: { match: { path: /a }, strategy: weighted, upstreams: [{ url: \"http://a\", weight: 0 }] } }",
        "out_of_range",
    ),
    (
        "routes: { a: { match: { path: /a/** }, upstreams: [\"http://a\"], replace_prefix: /b/ } }",
        "bad_path",
    ),
    (
        "routes: { a: { match: { path: /a/** }, upstreams: [\"http://a\"], replace_prefix: /b, keep_prefix: true } }",
        "bad_value",
    ),
    (
        "routes: { a: { match: { path: /a/** }, upstreams: [\"http://a\"], request_headers: { set: { connection: close } } } }",
        "bad_header",
    ),
    (
        "routes: { a: { match: { path: /a/** }, upstreams: [\"http://a\"], response_headers: { set: { host: x } } } }",
        "bad_header",
    ),
    (
        "routes: { a: { match: { path: /a/** }, upstreams: [\"http://a\"], request_headers: { remove: [x-goodgate-attempt] } } }",
        "bad_header",
    ),
    (
        "routes: { a: { match: { path: /a/** }, upstreams: [\"http://a\"], auth: { basic: me } } }",
        "bad_header",
    ),
    (
        "routes: { a: { match: { path: /a/** }, upstreams: [\"http://a\"], auth: { bearer: x, header: \"a: b\" } } }",
        "credentials_twice",
    ),
    (
        "routes: { a: { match: { path: /v1/** }, upstreams: [\"http://a\"] } }",
        "bad_path",
    ),
    (
        "routes: { a: { match: { path: /a/** }, upstreams: [a] } }",
        "bad_value",
    ),
    (
        "routes: { a: { match: { path: /a/** }, upstreams: [\"http://127.0.0.1:4000\"] } }",
        "own_address",
    ),
    (
        "routes: { a: { match: { path: /a/** }, upstreams: [\"http://a\"], access: all } }",
        "bad_access",
    ),
    (
        "routes: { a: { match: { path: /a/** }, upstreams: [\"http://a\"], auth: { header: x } } }",
        "bad_header",
    ),
    (
        "routes: { a: { match: { path: /a/** }, upstreams: [\"http://a\"], retry: { methods: [get] } } }",
        "bad_value",
    ),
    (
        "routes:\n  a: { match: { path: /a/** }, upstreams: [\"http://a\"] }\n  b: { match: { path: /a/** }, upstreams: [\"http://a\"] }",
        "duplicate_name",
    ),
    ("keys: { a: {} }", "bad_key"),
    (
        "keys: { a: { secret: 0123456789abcdef, hash: ff } }",
        "bad_value",
    ),
    (
        "keys: { a: { secret: sk-gg-dev-0000000000000000000000000000000000000000000000000 } }",
        "bad_key",
    ),
    (
        "keys: { a: { secret: 0123456789abcdef }, b: { secret: 0123456789abcdef } }",
        "bad_key",
    ),
    (
        "keys: { a: { secret: 0123456789abcdef, rpm: 0 } }",
        "out_of_range",
    ),
    (
        "keys: { a: { secret: 0123456789abcdef, hold: never } }",
        "bad_value",
    ),
    (
        "keys: { a: { secret: 0123456789abcdef, models: [smart] } }",
        "unknown_model",
    ),
    (
        "keys: { a: { secret: 0123456789abcdef, allow_headers: [x-goodgate-tag] } }",
        "bad_header",
    ),
    (
        "keys: { a: { secret: 0123456789abcdef, tpm: 1 } }",
        "unsupported_key",
    ),
    ("errors: { detail: all }", "bad_value"),
    ("storage: { url: \"postgres://x\" }", "bad_value"),
    ("storage: { retain: { bodies: 1d } }", "unsupported_key"),
    ("storage: { retain: { metadata: 1s } }", "out_of_range"),
    ("telemetry: { log: { format: xml } }", "bad_value"),
    ("telemetry: { metrics: metrics }", "bad_value"),
    ("telemetry: { metrics: /api/metrics }", "bad_value"),
    ("demo: yes", "bad_value"),
    (
        "demo: true\nproviders: { demo: { type: openai } }",
        "duplicate_name",
    ),
    (
        "demo: true\nmodels: { a: { targets: [demo/ecko] } }",
        "unknown_model",
    ),
    (
        "demo: true\nproviders: { openai: {} }\nmodels: { a: { targets: [openai/x, demo/echo] } }",
        "demo_as_fallback",
    ),
];

#[test]
fn every_mistake_is_refused_by_its_own_word_and_no_other() {
    for (text, code) in MISTAKES {
        let found = check(text);
        assert_eq!(codes(&found), [*code], "{text}\n{}", rendered(&found));
        assert_eq!(found[0].severity, Severity::Error, "{text}");
    }
}

/// What loads and is probably not meant.
const DOUBTS: &[(&str, &str)] = &[
    (
        "models: { a: { targets: [openai/x, openai/x] } }",
        "duplicate_target",
    ),
    (
        "models: { a: { targets: [openai/a, openai/b, openai/c, openai/d] } }",
        "unused_target",
    ),
    (
        "models: { a: { targets: [openai/x, openai/y], timeout: { total: 30s, response_header: 30s } } }",
        "attempts_exceed_deadline",
    ),
    (
        "models: { gpt-5: { targets: [openai/gpt-5-mini] } }",
        "alias_shadows",
    ),
    (
        "models: { openai/x: { targets: [openai/y] } }",
        "alias_shadows",
    ),
    (
        "models: { a: { targets: [openai/gpt-5, openai/x], strategy: cheapest } }",
        "unknown_price",
    ),
    (
        "demo: true\nserver: { listen: \"0.0.0.0:4000\" }",
        "demo_off_loopback",
    ),
    (
        "routes: { a: { match: { path: /a/** }, upstreams: [{ url: \"http://a\", weight: 2 }] } }",
        "weight_unused",
    ),
    (
        "routes: { a: { match: { path: /a/** }, upstreams: [\"http://a\", \"http://a/\"] } }",
        "duplicate_target",
    ),
];

#[test]
fn what_is_probably_not_meant_is_told_and_loads() {
    for (text, code) in DOUBTS {
        let found = check(&format!("providers: {{ openai: {{}} }}\n{text}"));
        assert_eq!(codes(&found), [*code], "{text}\n{}", rendered(&found));
        assert_eq!(found[0].severity, Severity::Warning, "{text}");
    }
    let http = "providers: { vllm: { base_url: \"http://a\", tls: { server_name: b } } }";
    assert_eq!(codes(&check(http)), ["tls_unused"]);
}

#[test]
fn every_word_is_said_by_some_mistake() {
    let said: Vec<&str> = MISTAKES
        .iter()
        .chain(DOUBTS)
        .map(|(_, code)| *code)
        .chain(["tls_unused", "file_too_large"])
        .collect();
    for (word, _) in crate::words() {
        assert!(said.contains(word), "no test provokes {word}");
    }
}

#[test]
fn near_names_are_told_where_there_are_any() {
    for (text, help) in [
        ("provider: {}", "did you mean `providers`?"),
        ("providers: { opena: {} }", "did you mean `openai`?"),
        (
            "providers: { openai: {} }\nmodels: { a: { targets: [opneai/gpt-5] } }",
            "did you mean `openai/gpt-5`?",
        ),
        (
            "models: { a: { targets: [groq/x] } }",
            "add  providers: { groq: {} }",
        ),
        ("server: { listen: \"${PROT}\" }", "did you mean ${PORT}?"),
        (
            "resilience: { retry_except: [bad_gatway] }",
            "did you mean `bad_gateway`?",
        ),
    ] {
        let found = check(text);
        assert_eq!(found[0].help.as_deref(), Some(help), "{text}");
    }
}

#[test]
fn a_check_without_the_secrets_passes_when_that_is_allowed() {
    let text = "providers:\n  mistral: {}\n  vllm: { base_url: \"${VLLM}\", api_key: \"${K}\" }\n\
                keys: { web: { secret: \"${WEB_KEY}\", rpm: \"${RPM}\" } }\n";
    let nothing = Environment::default();
    assert!(!check_in(&nothing, text).is_empty());
    let found = check_in(&nothing.allowing_missing(), text);
    assert_eq!(codes(&found), [] as [&str; 0], "{}", rendered(&found));
}

#[test]
fn an_override_that_is_wrong_is_blamed_on_its_variable_or_flag() {
    let environment = Environment::from_pairs([("GOODGATE_SERVER__WORKERS", "many")]);
    let found = check_in(&environment.with_flag("server.listen", "nowhere"), "");
    let text = rendered(&found);
    assert_eq!(codes(&found), ["bad_value", "bad_value"]);
    assert!(text.contains("--> --listen\n"), "{text}");
    assert!(text.contains("--> GOODGATE_SERVER__WORKERS\n"), "{text}");
    let found = check_in(
        &Environment::from_pairs([("GOODGATE_SERVR__LISTEN", "x")]),
        "",
    );
    assert_eq!(codes(&found), ["unknown_key"]);
    assert_eq!(found[0].help.as_deref(), Some("did you mean `server`?"));
}

#[test]
fn secrets_in_lines_of_a_broken_file_are_covered() {
    let text = "providers:\n  openai: { api_key: sk-live-verysecret, [ }\n";
    let found = check(text);
    assert_eq!(codes(&found), ["bad_yaml"]);
    assert!(
        !rendered(&found).contains("verysecret"),
        "{}",
        rendered(&found)
    );
    let text = "providers:\n  openai:\n    headers: { x-thing: plainsecret, host: alsosecret }\n";
    let found = check_in(&environment(), text);
    assert!(!rendered(&found).contains("secret"), "{}", rendered(&found));
}

#[test]
fn of_a_very_long_line_the_part_around_the_place_is_shown() {
    let text = format!("server: {{ {}listne: x, workers: 2 }}", " ".repeat(5_000));
    let found = check(&text);
    assert_eq!(codes(&found), ["unknown_key"]);
    let shown = rendered(&found);
    assert!(shown.len() < 1_000, "{shown}");
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[2].find("listne"), lines[3].find("^^^^^^"));
}

#[test]
fn a_large_file_full_of_mistakes_is_told_in_good_time() {
    let secrets = "a: sk-secret-0123456789, ".repeat(3_000);
    let text = format!("providers: {{ openai: {{ headers: {{ {secrets} }} }} }}");
    let found = check(&text);
    assert!(found.len() > 100 && found.len() <= 200);
    assert!(!rendered(&found).contains("secret-0"));
}
