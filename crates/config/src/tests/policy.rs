//! What runs when a configuration loads.

use std::time::Duration;

use http::Method;
use resilience::balance::Strategy;
use types::{NanoUsd, Priority};

use super::{check, environment, loaded, source};
use crate::environment::Environment;
use crate::load::load;
use crate::snapshot::{
    Access, ErrorDetail, Exception, Hold, HttpVersion, LogFormat, Matched, Network, PrefixRewrite,
    RouteStrategy,
};

/// Every key there is; the reference test compares it with the schema.
pub(super) const EVERYTHING: &str = include_str!("everything.yaml");

/// The file with every key, loaded, and the folder with the files it names.
fn everything() -> (crate::Snapshot, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["ca.pem", "cert.pem", "key.pem"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let mut source = source(EVERYTHING);
    source.path = folder.path().join("goodgate.yaml");
    let environment = environment();
    let loaded = load(&source, &environment).unwrap_or_else(|found| {
        panic!("{}", super::rendered(&found));
    });
    assert_eq!(loaded.warnings, []);
    (loaded.snapshot, folder)
}

#[test]
fn every_key_of_server_and_state_acts() {
    let (snapshot, _folder) = everything();
    let server = &snapshot.server;
    assert_eq!(server.listen.to_string(), "127.0.0.1:4321");
    assert_eq!(server.workers, Some(2));
    assert_eq!(server.max_body, 10 << 20);
    assert_eq!(server.drain, Duration::from_secs(10));
    assert_eq!(server.drain_streams, Duration::from_secs(60));
    assert_eq!(server.listener_stays(), Duration::from_secs(2));
    assert_eq!(server.hosts, ["gate.acme.example"]);
    assert!(server.trusted_proxies[0].contains("10.1.2.3".parse().unwrap()));
    assert_eq!(
        server.public_url.as_deref(),
        Some("https://gate.acme.example")
    );
    assert_eq!(snapshot.admin.listen.unwrap().port(), 4001);
    assert_eq!(snapshot.errors, ErrorDetail::Summary);
    assert_eq!(snapshot.log_format, LogFormat::Json);
    assert_eq!(snapshot.telemetry.metrics.as_deref(), Some("/prometheus"));
    let traces = snapshot.telemetry.traces.as_ref().unwrap();
    assert_eq!(
        (traces.endpoint.url().as_str(), &*traces.path),
        ("https://collector.example:4318", "/v1/traces")
    );
    assert_eq!(snapshot.storage.retain, Duration::from_secs(7 * 86_400));
    assert_eq!(
        snapshot.storage.path.as_deref(),
        Some(std::path::Path::new("/var/lib/goodgate/goodgate.db"))
    );
}

#[test]
fn every_key_of_a_provider_acts() {
    let (snapshot, folder) = everything();
    let order: Vec<_> = snapshot
        .providers_in_order()
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(order, ["openai", "vllm-a"]);
    let vllm = &snapshot.providers["vllm-a"];
    assert_eq!(vllm.endpoint.url(), "https://10.2.0.7:8000/v1");
    assert_eq!(
        vllm.tls.ca_file.as_deref(),
        Some(folder.path().join("ca.pem").as_path())
    );
    assert_eq!(vllm.headers[0].0.as_str(), "x-team");
    assert!(vllm.headers[0].1.is_sensitive());
    assert_eq!(vllm.resilience.timeout.connect, Duration::from_millis(500));
    assert_eq!(snapshot.providers["openai"].credentials.len(), 2);
    let until = |window: usize, text: &str| {
        let now = crate::calendar::moment(text).unwrap();
        vllm.maintenance[window].window.until(now)
    };
    let end = crate::calendar::moment("2026-12-01T04:00:00Z").ok();
    assert_eq!(until(0, "2026-12-01T03:00:00Z"), end);
    assert_eq!(vllm.maintenance[0].reason.as_deref(), Some("new driver"));
    // Sunday, 02:00 an hour east of Greenwich.
    assert!(until(1, "2026-11-29T01:00:00Z").is_some());
    assert!(until(1, "2026-11-29T03:00:00Z").is_none());
}

#[test]
fn any_target_may_be_the_first_where_the_order_is_not_the_written_one() {
    let text = "providers: { openai: {} }\nmodels: { a: { targets: [openai/a, openai/b, openai/c, openai/d], strategy: weighted } }";
    assert!(check(text).is_empty());
}

#[test]
fn every_key_of_an_alias_acts() {
    let (snapshot, _folder) = everything();
    let smart = snapshot.resolve("smart").unwrap();
    assert_eq!(smart.resilience.max_attempts, 6);
    assert_eq!(smart.resilience.hold, Hold::Whole);
    assert_eq!(
        smart.resilience.timeout.first_token,
        Some(Duration::from_secs(10))
    );
    let qwen = &smart.targets[1];
    assert_eq!(
        (&*qwen.label, qwen.model.as_str()),
        ("vllm-a/qwen", "Qwen/Qwen3-8B")
    );
    assert_eq!(
        (smart.strategy, qwen.weight, smart.targets[0].weight),
        (Strategy::Fastest, 3, 1)
    );
    let sticky = smart.sticky.map(|sticky| sticky.max_cache_loss);
    assert_eq!(sticky, Some(NanoUsd::new(50_000_000)));
    assert_eq!((qwen.context, qwen.max_output), (Some(32_000), Some(4_000)));
    assert!(qwen.price.is_some());
    // Narrowest wins: the provider's connect timer, the alias' first-token timer.
    assert_eq!(qwen.resilience.timeout.connect, Duration::from_millis(500));
    assert_eq!(
        qwen.resilience.timeout.first_token,
        Some(Duration::from_secs(10))
    );
    assert!(matches!(
        snapshot.resilience.retry_except[..],
        [Exception::Code(_), Exception::Group(_)]
    ));
    assert!(snapshot.resilience.excepts(provider::Code::ContentFiltered));
}

#[test]
fn every_key_of_a_callers_key_acts() {
    let (snapshot, _folder) = everything();
    let key = &snapshot.keys[0];
    assert_eq!((key.rpm, key.concurrency), (Some(600), Some(20)));
    let may_use = |model| crate::keys::may_use(key.models.as_deref(), model);
    assert!(may_use("smart") && may_use("vllm-a/x") && !may_use("openai/gpt-5"));
    assert_eq!(key.allow_headers, ["x-goodgate-hold"]);
    let team = key.team.as_ref().map(types::TeamId::as_str);
    assert_eq!((key.priority, team), (Priority::High, Some("search")));
    assert_eq!(snapshot.keys[1].priority, Priority::Normal);
    assert_eq!((key.hold, snapshot.keys[1].hold), (Some(Hold::Whole), None));
    assert_eq!(snapshot.keys.len(), 2);
}

#[test]
fn a_route_strips_its_prefix_and_the_longest_prefix_wins() {
    let snapshot = loaded(
        "routes:\n  all: { match: { path: /a/** }, upstreams: [\"http://one.example/base/\", \"http://two.example\"], access: open }\n  \
         part: { match: { path: /a/b/** }, upstreams: [\"http://three.example\"], keep_prefix: true, retry: { methods: [GET, POST], max_attempts: 2 } }\n",
    );
    let route = |path| named(&snapshot, "any", "GET", path);
    assert_eq!(route("/a"), "all");
    assert_eq!(route("/a/x"), "all");
    assert_eq!(route("/ab"), "nothing");
    assert_eq!(route("/a/b/c"), "part");
    let (all, part) = (&snapshot.routes[1], &snapshot.routes[0]);
    assert_eq!(
        all.upstream_path(&all.upstreams[0], "/a/x?y=1"),
        "/base/x?y=1"
    );
    assert_eq!(all.upstream_path(&all.upstreams[1], "/a"), "/");
    assert_eq!(all.upstream_path(&all.upstreams[1], "/a?q"), "/?q");
    assert!(all.may_repeat(&Method::PUT, false) && !all.may_repeat(&Method::POST, false));
    assert!(all.may_repeat(&Method::POST, true));
    assert_eq!(&*all.upstreams[0].label, "http://one.example/base");
    let Access::Open { addresses } = &all.access else {
        panic!("open");
    };
    let open = |text: &str| {
        addresses
            .iter()
            .any(|one| one.contains(text.parse().unwrap()))
    };
    assert!(open("127.0.0.1") && open("::1") && open("::ffff:127.0.0.1") && !open("10.0.0.1"));
    assert_eq!(part.upstream_path(&part.upstreams[0], "/a/b/c"), "/a/b/c");
    assert_eq!(part.resilience.max_attempts, 2);
    assert_eq!(part.access, Access::Key);
    assert!(part.may_repeat(&Method::POST, false));
}

/// The name of the route that takes a request, or why there is none.
fn named(snapshot: &crate::Snapshot, host: &str, method: &str, path: &str) -> String {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    match snapshot.route(host, &method, path) {
        Matched::Route(route) => route.name.to_string(),
        Matched::OtherMethods(methods) => format!("not {method} but {methods:?}"),
        Matched::Nothing => "nothing".to_owned(),
    }
}

#[test]
fn the_narrowest_route_takes_a_request_by_host_then_path_then_method() {
    let snapshot = loaded(
        "routes:
  any: { match: { path: /** }, upstreams: [\"http://a.example\"] }
  reads: { match: { path: /a/**, method: GET }, upstreams: [\"http://a.example\"] }
  writes: { match: { path: /a/**, method: [POST, PUT] }, upstreams: [\"http://a.example\"] }
  one: { match: { path: /a/one }, upstreams: [\"http://a.example\"] }
  below: { match: { path: /**, host: \"*.x.example\" }, upstreams: [\"http://a.example\"] }
  exact: { match: { path: /v1/**, host: [API.x.example, \"::1\"] }, upstreams: [\"http://a.example\"] }
  hook: { match: { path: /hook, method: POST, host: hook.example }, upstreams: [\"http://a.example\"] }
",
    );
    for (host, method, path, expected) in [
        ("h", "GET", "/a/x", "reads"),
        ("h", "HEAD", "/a/x", "reads"),
        ("h", "PUT", "/a/x", "writes"),
        // No narrower route takes it, so a wider one does.
        ("h", "DELETE", "/a/x", "any"),
        ("h", "GET", "/a/one", "one"),
        ("h", "GET", "/a/one/more", "reads"),
        ("one.x.example", "GET", "/a/one", "below"),
        ("x.example", "GET", "/q", "any"),
        (".x.example", "GET", "/q", "any"),
        ("api.X.example", "POST", "/v1/chat/completions", "exact"),
        ("api.x.example", "POST", "/v2", "below"),
        ("::1", "GET", "/v1", "exact"),
        ("hook.example", "POST", "/hook", "hook"),
        ("hook.example", "GET", "/hook", "any"),
    ] {
        assert_eq!(
            named(&snapshot, host, method, path),
            expected,
            "{host} {method} {path}"
        );
    }
    let alone = loaded(
        "routes: { hook: { match: { path: /hook, method: [POST, PUT] }, upstreams: [\"http://a.example\"] } }",
    );
    assert_eq!(
        named(&alone, "h", "GET", "/hook"),
        "not GET but [POST, PUT]"
    );
    assert_eq!(named(&alone, "h", "POST", "/hook/x"), "nothing");
}

#[test]
fn a_prefix_goes_stays_or_is_replaced() {
    for (key, path, expected) in [
        ("", "/a/x?y", "/base/x?y"),
        ("", "/a", "/base"),
        ("keep_prefix: true,", "/a/x", "/base/a/x"),
        ("replace_prefix: /v2,", "/a/x?y", "/base/v2/x?y"),
        ("replace_prefix: /v2,", "/a", "/base/v2"),
        ("replace_prefix: /v2,", "/a?y", "/base/v2?y"),
    ] {
        let snapshot = loaded(&format!(
            "routes: {{ a: {{ match: {{ path: /a/** }}, {key} upstreams: [\"http://u.example/base/\"] }} }}"
        ));
        let route = &snapshot.routes[0];
        assert_eq!(
            route.upstream_path(&route.upstreams[0], path),
            expected,
            "{key} {path}"
        );
    }
}

#[test]
fn every_key_of_a_route_acts() {
    let (snapshot, folder) = everything();
    let route = |name: &str| {
        let found = snapshot.routes.iter().find(|route| &*route.name == name);
        found.unwrap()
    };
    let weather = route("weather");
    let hosts: Vec<String> = weather.hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["weather.example", "*.weather.example"]);
    assert_eq!(weather.takes, [Method::GET, Method::POST]);
    assert_eq!(weather.prefix, PrefixRewrite::Replace("/v2".to_owned()));
    assert_eq!(weather.strategy, RouteStrategy::Weighted);
    assert_eq!(weather.max_body, 5_000_000_000);
    assert_eq!(weather.replay, Some(Duration::from_secs(86_400)));
    assert!(!weather.may_repeat(&Method::POST, true));
    let [first, backup] = &weather.upstreams[..] else {
        panic!("two upstreams");
    };
    assert_eq!((first.weight, backup.weight), (3, 1));
    assert_eq!(
        first.tls.ca_file.as_deref(),
        Some(folder.path().join("ca.pem").as_path())
    );
    let health = first.health.as_ref().unwrap();
    assert_eq!(
        (health.path.as_str(), health.interval, health.timeout),
        ("/healthz", Duration::from_secs(5), Duration::from_secs(1))
    );
    assert_eq!((health.unhealthy_after, health.healthy_after), (2, 2));
    assert_eq!(backup.health, None);
    assert_eq!(
        (first.http, backup.http),
        (HttpVersion::Auto, HttpVersion::One)
    );
    assert_eq!(snapshot.providers["vllm-a"].http, HttpVersion::Two);
}

#[test]
fn every_key_of_a_routes_headers_and_credential_acts() {
    let (snapshot, _folder) = everything();
    let route = |name: &str| {
        let found = snapshot.routes.iter().find(|route| &*route.name == name);
        found.unwrap()
    };
    let weather = route("weather");
    let mut headers = http::HeaderMap::new();
    for (name, value) in [("cookie", "a=b"), ("x-team", "other"), ("x-tag", "0")] {
        headers.append(name, value.parse().unwrap());
    }
    weather.request_headers.apply(&mut headers);
    assert_eq!(headers.get("cookie"), None);
    assert_eq!(headers.get_all("x-team").iter().count(), 1);
    assert_eq!(headers["x-team"], "search");
    assert_eq!(headers.get_all("x-tag").iter().count(), 2);
    assert_eq!(weather.response_headers.remove.len(), 1);
    let credential = |name: &str| {
        let (name, value) = route(name).auth_header.clone().unwrap();
        assert!(value.is_sensitive());
        format!("{name}: {}", value.to_str().unwrap())
    };
    assert_eq!(credential("weather"), "authorization: Bearer abc");
    assert_eq!(credential("plain"), "authorization: Basic bWU6YWJj");
    assert_eq!(credential("hook"), "x-key: abc");
}

#[test]
fn names_resolve_as_alias_provider_and_model_or_bare_model() {
    let snapshot = loaded(
        "providers:\n  openai: {}\n  or: { type: openrouter, api_key: x }\n  one: { type: vllm, base_url: \"http://a\", models: [shared, only] }\n  \
         two: { type: vllm, base_url: \"http://b\", models: [shared] }\nmodels:\n  smart: { targets: [openai/gpt-5] }\n",
    );
    let label = |name: &str| {
        let policy = snapshot.resolve(name).ok()?;
        Some(policy.targets[0].label.to_string())
    };
    assert_eq!(label("smart").as_deref(), Some("openai/gpt-5"));
    assert_eq!(label("openai/gpt-99").as_deref(), Some("openai/gpt-99"));
    assert_eq!(label("or/anthropic/x").as_deref(), Some("or/anthropic/x"));
    assert_eq!(
        snapshot.resolve("or/anthropic/x").unwrap().targets[0]
            .model
            .as_str(),
        "anthropic/x"
    );
    assert_eq!(label("gpt-5-mini").as_deref(), Some("openai/gpt-5-mini"));
    assert_eq!(label("only").as_deref(), Some("one/only"));
    let several = snapshot.resolve("shared").unwrap_err();
    assert_eq!(several.candidates, ["one/shared", "two/shared"]);
    let near = snapshot.resolve("smrt").unwrap_err();
    assert_eq!(near.near[0], "smart");
    for nothing in ["", "/", "openai/", "nobody/x", "one/unlisted"] {
        assert!(snapshot.resolve(nothing).is_err(), "{nothing}");
    }
    let names: Vec<_> = snapshot
        .model_names()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names[0], "smart");
    assert!(names.contains(&"one/only") && !names.contains(&"only"));
}

#[test]
fn what_providers_were_seen_to_have_takes_the_place_of_the_catalogue() {
    let snapshot = loaded("providers: { openai: {} }");
    assert!(snapshot.resolve("gpt-5-mini").is_ok());
    let seen = [("openai".into(), vec!["brand-new".to_owned()])];
    let snapshot = snapshot.with_listed(&seen.into_iter().collect());
    assert!(snapshot.resolve("brand-new").is_ok());
    assert!(snapshot.resolve("gpt-5-mini").is_err());
    assert!(snapshot.resolve("openai/gpt-5-mini").is_ok());
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let text = "server: { listen: 127.0.0.1:1 }\nproviders: { vllm-a: { type: vllm, base_url: \"http://a\" } }";
    let variables = Environment::from_pairs([
        ("GOODGATE_SERVER__LISTEN", "127.0.0.1:2"),
        ("GOODGATE_SERVER__HOSTS", "a.example, b.example"),
        ("GOODGATE_PROVIDERS__VLLM_A__BASE_URL", "http://b:9"),
        ("GOODGATE_RESILIENCE__RETRY__MAX_ATTEMPTS", "2"),
        ("GOODGATE_STATE_DIR", "/nowhere"),
    ]);
    let snapshot = load(&source(text), &variables).unwrap().snapshot;
    assert_eq!(snapshot.server.listen.port(), 2);
    assert_eq!(snapshot.server.hosts, ["a.example", "b.example"]);
    assert_eq!(snapshot.providers["vllm-a"].endpoint.url(), "http://b:9/v1");
    assert_eq!(snapshot.resilience.max_attempts, 2);
    let flagged = variables.with_flag("server.listen", "127.0.0.1:3");
    let snapshot = load(&source(text), &flagged).unwrap().snapshot;
    assert_eq!(snapshot.server.listen.port(), 3);
}

#[test]
fn variables_and_anchors_are_filled_in_before_types_are_read() {
    let snapshot = loaded(
        "server: { listen: \"127.0.0.1:${PORT}\", workers: \"${WORKERS:-3}\" }\n\
         resilience: { timeout: &slow { total: 100s } }\n\
         providers: { openai: { timeout: *slow } }\n",
    );
    assert_eq!(snapshot.server.listen.port(), 4321);
    assert_eq!(snapshot.server.workers, Some(3));
    let openai = &snapshot.providers["openai"];
    assert_eq!(
        openai.resilience.timeout.total,
        Some(Duration::from_secs(100))
    );
}

#[test]
fn off_loopback_errors_tell_less_and_the_admin_api_stays_on_loopback() {
    let snapshot = loaded("server: { listen: 0.0.0.0:4000 }");
    assert_eq!(snapshot.errors, ErrorDetail::Summary);
    assert_eq!(snapshot.admin.listen.unwrap().to_string(), "127.0.0.1:4001");
}

#[test]
fn demo_models_can_be_asked_for_beside_a_file() {
    let environment = environment().with_demo_url("http://127.0.0.1:5555");
    let text =
        "demo: true\nproviders: { openai: {} }\nmodels: { play: { targets: [demo/flaky-502] } }";
    let snapshot = load(&source(text), &environment).unwrap().snapshot;
    assert!(snapshot.demo);
    assert_eq!(
        snapshot.providers["demo"].endpoint.url(),
        "http://127.0.0.1:5555/v1"
    );
    let first = snapshot.resolve("first").unwrap();
    let labels: Vec<&str> = first.targets.iter().map(|target| &*target.label).collect();
    assert_eq!(labels, ["demo/down", "demo/echo"]);
    assert_eq!(
        &*snapshot.resolve("play").unwrap().targets[0].label,
        "demo/flaky-502"
    );
    assert!(snapshot.resolve("demo/no-such").is_err());
    let variable = [("GOODGATE_LOCAL_MODEL_URL", "http://127.0.0.1:9001")];
    let beside = Environment::from_pairs(variable);
    let snapshot = load(&source("demo: true"), &beside).unwrap().snapshot;
    let first = snapshot.resolve("first").unwrap();
    assert_eq!(&*first.targets[1].label, "local/smollm2");
    assert!(check("demo: false").is_empty());
}

#[test]
fn networks_hold_their_addresses() {
    let holds = |network: &str, address: &str| {
        Network::parse(network)
            .unwrap()
            .contains(address.parse().unwrap())
    };
    assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
    assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "::1"));
    assert!(holds("fd00::/8", "fdff::1") && !holds("fd00::/8", "fe80::1"));
    assert!(holds("192.168.1.7", "192.168.1.7") && !holds("192.168.1.7", "192.168.1.8"));
    for text in ["", "10.0.0.0/33", "10.0.0.0/", "a/8", "::/129"] {
        assert_eq!(Network::parse(text), None, "{text}");
    }
}
