//! Without a file.

use crate::discover::{Discovery, discover, discover_with};
use crate::environment::Environment;
use crate::snapshot::{Origin, Snapshot};

const DEMO: Option<&str> = Some("http://127.0.0.1:5555");

fn labels(snapshot: &Snapshot, alias: &str) -> Vec<String> {
    let policy = snapshot.resolve(alias).unwrap();
    let targets = policy.targets.iter();
    targets.map(|target| target.label.to_string()).collect()
}

fn providers(discovery: &Discovery) -> Vec<&str> {
    let all = discovery.snapshot.providers_in_order();
    all.map(|provider| provider.id.as_str()).collect()
}

#[test]
fn with_nothing_at_all_the_demo_models_answer() {
    let found = discover(&Environment::default(), DEMO);
    assert_eq!(found.snapshot.origin, Origin::Environment);
    assert!(found.snapshot.demo);
    assert_eq!(providers(&found), ["demo"]);
    assert_eq!(labels(&found.snapshot, "first"), ["demo/down", "demo/echo"]);
    assert_eq!(found.snapshot.providers["demo"].endpoint.port, 5555);
    assert!(
        found
            .missing
            .iter()
            .any(|(kind, variable)| { kind.name == "openai" && *variable == "OPENAI_API_KEY" })
    );
    let places: Vec<&str> = found
        .candidates
        .iter()
        .map(|one| one.address.as_str())
        .collect();
    assert_eq!(places, ["127.0.0.1:11434", "127.0.0.1:8080"]);
    assert_eq!(found.diagnostics, []);
}

#[test]
fn the_local_model_stands_behind_the_dead_target_and_leaves_the_demo_on() {
    let environment =
        Environment::from_pairs([("GOODGATE_LOCAL_MODEL_URL", "http://127.0.0.1:8080")]);
    let found = discover(&environment, DEMO);
    assert!(found.snapshot.demo);
    assert_eq!(
        labels(&found.snapshot, "first"),
        ["demo/down", "local/smollm2"]
    );
    // The same server is not looked for a second time.
    let names: Vec<&str> = found
        .candidates
        .iter()
        .map(|one| one.provider.as_str())
        .collect();
    assert_eq!(names, ["ollama"]);
    assert!(found.snapshot.resolve("smollm2").is_ok());
    let asked = Environment::from_pairs([
        ("GOODGATE_LOCAL_MODEL_URL", "http://127.0.0.1:8080"),
        ("GOODGATE_DEMO", "true"),
    ]);
    assert_eq!(providers(&discover(&asked, DEMO)), ["local", "demo"]);
}

#[test]
fn keys_in_the_environment_are_providers_and_end_the_demo() {
    let environment = Environment::from_pairs([
        ("OPENAI_API_KEY", "sk-proj-0123456789x7Qa"),
        ("GOOGLE_API_KEY", "AIza-google-wins-1234"),
        ("GEMINI_API_KEY", "AIza-gemini-loses-1234"),
        ("MISTRAL_API_KEY", ""),
    ]);
    let found = discover(&environment, DEMO);
    assert!(!found.snapshot.demo);
    assert_eq!(providers(&found), ["openai", "gemini"]);
    assert_eq!(found.found[0].key_hint.as_deref(), Some("…x7Qa"));
    assert_eq!(found.found[1].source, "GOOGLE_API_KEY");
    assert!(found.snapshot.resolve("openai/gpt-5-mini").is_ok());
    assert!(found.snapshot.resolve("first").is_err());
    let asked = Environment::from_pairs([
        ("OPENAI_API_KEY", "sk-proj-0123456789x7Qa"),
        ("GOODGATE_DEMO", "true"),
    ]);
    let found = discover(&asked, DEMO);
    assert!(found.snapshot.demo);
    assert_eq!(providers(&found), ["openai", "demo"]);
    let refused = Environment::from_pairs([("GOODGATE_DEMO", "false")]);
    assert!(!discover(&refused, DEMO).snapshot.demo);
}

#[test]
fn our_own_key_and_our_own_address_are_ignored_and_that_is_said() {
    let environment = Environment::from_pairs([
        ("OPENAI_API_KEY", "sk-gg-dev-whatever"),
        ("OPENAI_BASE_URL", "http://localhost:4000/v1"),
        ("ANTHROPIC_API_KEY", "sk-ant-0123456789"),
        ("ANTHROPIC_BASE_URL", "http://127.0.0.1:4000"),
        ("LLAMA_CPP_HOST", "127.0.0.1:4000"),
    ]);
    let found = discover(&environment, None);
    assert_eq!(providers(&found), ["anthropic"]);
    let url = found.snapshot.providers["anthropic"].endpoint.url();
    assert_eq!(url, "https://api.anthropic.com/v1");
    let ignored: Vec<&str> = found
        .ignored
        .iter()
        .map(|one| one.variable.as_str())
        .collect();
    assert_eq!(
        ignored,
        ["OPENAI_API_KEY", "ANTHROPIC_BASE_URL", "LLAMA_CPP_HOST"]
    );
    assert!(!format!("{found:?}").contains("0123456789"));
}

#[test]
fn another_address_in_the_environment_is_used() {
    let environment = Environment::from_pairs([
        ("OPENAI_API_KEY", "sk-proj-0123456789x7Qa"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:9999/v1"),
    ]);
    let found = discover(&environment, None);
    assert_eq!(found.snapshot.providers["openai"].endpoint.port, 9999);
}

#[test]
fn candidates_that_answered_become_providers() {
    let environment = Environment::default();
    let candidates = discover(&environment, DEMO).candidates;
    let found = discover_with(&environment, DEMO, &candidates);
    assert_eq!(providers(&found), ["ollama", "llama-cpp"]);
    assert!(!found.snapshot.demo);
    assert_eq!(found.found[0].source, "127.0.0.1:11434");
}

#[test]
fn hosts_are_read_in_every_usual_form() {
    for (written, address) in [
        ("", "127.0.0.1:11434"),
        ("0.0.0.0", "127.0.0.1:11434"),
        ("0.0.0.0:11000", "127.0.0.1:11000"),
        (":11000", "127.0.0.1:11000"),
        ("box.example", "box.example:11434"),
        ("http://box.example", "box.example:11434"),
        ("http://box.example:80/", "box.example:80"),
        ("https://box.example", "box.example:443"),
        ("[::1]:11000", "::1:11000"),
        ("::1", "::1:11434"),
    ] {
        let environment = Environment::from_pairs([("OLLAMA_HOST", written)]);
        let found = discover(&environment, None);
        assert_eq!(found.candidates[0].address, address, "{written}");
    }
    let environment = Environment::from_pairs([("OLLAMA_HOST", "a b c")]);
    assert_eq!(
        discover(&environment, None).ignored[0].variable,
        "OLLAMA_HOST"
    );
}

#[test]
fn settings_act_without_a_file_and_wrong_ones_are_told() {
    let environment = Environment::default().with_flag("server.listen", "0.0.0.0:5000");
    let found = discover(&environment, DEMO);
    assert_eq!(found.snapshot.server.listen.port(), 5000);
    assert!(
        !found.snapshot.demo,
        "off loopback there are no demo models"
    );
    let wrong = Environment::default().with_flag("server.listen", "x");
    assert_eq!(discover(&wrong, None).diagnostics.len(), 1);
}

#[test]
fn the_state_folder_follows_flag_home_and_system() {
    let of = |pairs: &[(&str, &str)]| {
        let environment = Environment::from_pairs(pairs.iter().copied());
        environment.state_folder().display().to_string()
    };
    assert_eq!(of(&[("GOODGATE_STATE_DIR", "/s"), ("HOME", "/h")]), "/s");
    assert_eq!(of(&[("XDG_STATE_HOME", "/x")]), "/x/goodgate");
    assert_eq!(of(&[("HOME", "/h")]), "/h/.local/state/goodgate");
    assert_eq!(of(&[]), "/var/lib/goodgate");
}
