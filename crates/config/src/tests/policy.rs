//! What runs when a configuration loads.

use std::time::Duration;

use http::Method;

use super::{check, environment, loaded, source};
use crate::environment::Environment;
use crate::load::load;
use crate::snapshot::{Access, ErrorDetail, Exception, Hold, LogFormat, Network};

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
    assert_eq!(server.hosts, ["gate.acme.example"]);
    assert!(server.trusted_proxies[0].contains("10.1.2.3".parse().unwrap()));
    assert_eq!(
        server.public_url.as_deref(),
        Some("https://gate.acme.example")
    );
    assert_eq!(snapshot.admin.listen.unwrap().port(), 4001);
    assert_eq!(snapshot.errors, ErrorDetail::Summary);
    assert_eq!(snapshot.log_format, LogFormat::Json);
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
}

#[test]
fn every_key_of_an_alias_and_of_a_callers_key_acts() {
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

    let key = &snapshot.keys[0];
    assert_eq!((key.rpm, key.concurrency), (Some(600), Some(20)));
    let may_use = |model| crate::keys::may_use(key.models.as_deref(), model);
    assert!(may_use("smart") && may_use("vllm-a/x") && !may_use("openai/gpt-5"));
    assert_eq!(key.allow_headers, ["x-goodgate-hold"]);
    assert_eq!(snapshot.keys.len(), 2);
}

#[test]
fn a_route_strips_its_prefix_and_the_longest_prefix_wins() {
    let snapshot = loaded(
        "routes:\n  all: { match: { path: /a/** }, upstreams: [\"http://one.example/base/\", \"http://two.example\"], access: open }\n  \
         part: { match: { path: /a/b/** }, upstreams: [\"http://three.example\"], keep_prefix: true, retry: { methods: [GET, POST], max_attempts: 2 } }\n",
    );
    let route = |path| snapshot.route(path).map(|route| route.name.to_string());
    assert_eq!(route("/a"), Some("all".to_owned()));
    assert_eq!(route("/a/x"), Some("all".to_owned()));
    assert_eq!(route("/ab"), None);
    assert_eq!(route("/a/b/c"), Some("part".to_owned()));
    let all = snapshot.route("/a/x").unwrap();
    assert_eq!(
        all.upstream_path(&all.upstreams[0], "/a/x?y=1"),
        "/base/x?y=1"
    );
    assert_eq!(all.upstream_path(&all.upstreams[1], "/a"), "/");
    assert_eq!(all.upstream_path(&all.upstreams[1], "/a?q"), "/?q");
    assert!(all.may_repeat(&Method::PUT) && !all.may_repeat(&Method::POST));
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
    let part = snapshot.route("/a/b/c").unwrap();
    assert_eq!(part.upstream_path(&part.upstreams[0], "/a/b/c"), "/a/b/c");
    assert_eq!(part.resilience.max_attempts, 2);
    assert_eq!(part.access, Access::Key);
    assert!(part.may_repeat(&Method::POST));
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
