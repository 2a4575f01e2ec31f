//! Whole configurations: what loads, what is refused and how that looks.

mod discovery;
mod fuzz;
mod policy;
mod reference;
mod refusals;
mod telemetry;

use std::path::{Path, PathBuf};

use crate::diagnostic::{Colour, Diagnostic, Severity, Source};
use crate::environment::Environment;
use crate::load::{Loaded, load};

/// The environment of most tests: one key, and a variable that is no key.
fn environment() -> Environment {
    Environment::from_pairs([
        ("OPENAI_API_KEY", "sk-openai-0123456789"),
        ("ANTHROPIC_API_KEY", "sk-ant-0123456789"),
        ("PORT", "4321"),
    ])
}

fn source(text: &str) -> Source {
    Source {
        text: text.to_owned(),
        path: PathBuf::from("goodgate.yaml"),
    }
}

/// Everything found in a text, whether it loads or not.
fn check_in(environment: &Environment, text: &str) -> Vec<Diagnostic> {
    match load(&source(text), environment) {
        Ok(Loaded { warnings, .. }) => warnings,
        Err(diagnostics) => diagnostics,
    }
}

fn check(text: &str) -> Vec<Diagnostic> {
    check_in(&environment(), text)
}

fn codes(diagnostics: &[Diagnostic]) -> Vec<&'static str> {
    diagnostics.iter().map(|one| one.code).collect()
}

fn rendered(diagnostics: &[Diagnostic]) -> String {
    diagnostics
        .iter()
        .map(|one| one.render_human(Colour::Off))
        .collect()
}

fn loaded(text: &str) -> crate::Snapshot {
    match load(&source(text), &environment()) {
        Ok(loaded) => {
            assert_eq!(loaded.warnings, [], "{}", rendered(&loaded.warnings));
            loaded.snapshot
        }
        Err(diagnostics) => panic!("{}", rendered(&diagnostics)),
    }
}

#[test]
fn five_lines_are_a_complete_setup() {
    let snapshot = loaded(
        "providers:\n  openai: {}\n  anthropic:\nmodels:\n  smart: { targets: [openai/gpt-5-mini, anthropic/claude-haiku-4-5] }\n",
    );
    let smart = snapshot.resolve("smart").unwrap();
    let labels: Vec<&str> = smart.targets.iter().map(|target| &*target.label).collect();
    assert_eq!(labels, ["openai/gpt-5-mini", "anthropic/claude-haiku-4-5"]);
    assert_eq!(smart.line, Some(5));
    assert_eq!(smart.resilience.max_attempts, 4);
    assert!(smart.targets[0].price.is_some());
    assert_eq!(smart.targets[1].max_output, Some(64_000));
    let openai = &smart.targets[0].provider;
    assert_eq!(openai.endpoint.url(), "https://api.openai.com/v1");
    assert_eq!(openai.credentials[0].source, "OPENAI_API_KEY");
    assert_eq!(snapshot.server.listen.to_string(), "127.0.0.1:4000");
    assert_eq!(snapshot.errors, crate::ErrorDetail::Full);
    assert!(!snapshot.demo);
}

#[test]
fn a_file_is_found_where_it_was_asked_for_or_along_the_search_path() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("goodgate/goodgate.yaml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "version: 1\n").unwrap();
    let place = folder.path().display().to_string();
    let by_search = Environment::from_pairs([("XDG_CONFIG_HOME", place.as_str())]);
    assert_eq!(Source::find(None, &by_search).unwrap().unwrap().path, file);
    let name = file.display().to_string();
    let by_variable = Environment::from_pairs([("GOODGATE_CONFIG", name.as_str())]);
    assert_eq!(
        Source::find(None, &by_variable).unwrap().unwrap().path,
        file
    );
    let absent = folder.path().join("absent.yaml");
    assert!(Source::find(Some(&absent), &by_variable).is_err());
    assert_eq!(
        by_search.search_path(),
        [
            PathBuf::from("goodgate.yaml"),
            file,
            PathBuf::from("/etc/goodgate/goodgate.yaml"),
        ]
    );
}

#[test]
fn secrets_can_lie_in_files_and_no_output_shows_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "sk-from-a-file-99\n").unwrap();
    let text = "providers: { openai: { api_key: \"${file:key}\" } }\n\
                keys: { web: { secret: \"hunter2hunter2hunter2\", rpm: x } }\n";
    let source = Source {
        text: text.to_owned(),
        path: folder.path().join("goodgate.yaml"),
    };
    let diagnostics = load(&source, &environment()).unwrap_err();
    assert_eq!(codes(&diagnostics), ["bad_value"]);
    let all = format!("{}{diagnostics:?}", rendered(&diagnostics));
    assert!(
        !all.contains("hunter2") && !all.contains("from-a-file"),
        "{all}"
    );

    let good = Source {
        text: text.replace("rpm: x", "rpm: 6"),
        ..source
    };
    let snapshot = load(&good, &environment()).unwrap().snapshot;
    let shown = format!("{snapshot:?}");
    assert!(
        !shown.contains("hunter2hunter2") && !shown.contains("sk-from-a-file"),
        "{shown}"
    );
    let key = snapshot.resolve("openai/gpt-5").unwrap().targets[0]
        .provider
        .credentials[0]
        .clone();
    assert_eq!(key.secret.as_ref().unwrap().reveal(), "sk-from-a-file-99");
    assert_eq!(key.source, "key");
}

#[test]
fn every_finding_is_a_word_that_explain_knows() {
    let words: Vec<&str> = crate::words().iter().map(|(code, _)| *code).collect();
    for one in check("provider: {}\nmodels: { a: { targets: x } }\n") {
        assert!(words.contains(&one.code));
        assert_eq!(one.severity, Severity::Error);
        assert_eq!(one.to_json()["path"], "goodgate.yaml");
    }
}

/// The folder of the repository.
fn repository() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .canonicalize()
        .unwrap()
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}
