//! `docs/drill.md` is complete: every fault, every kind of TLS, every demo model, and its example works.

use std::path::Path;

use drill::faults::catalogue;
use drill::{Script, TlsScript, demo};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/drill.md");
    std::fs::read_to_string(path).expect("docs/drill.md")
}

#[test]
fn the_page_lists_every_fault_and_no_other() {
    let page = page();
    let (_, list) = page.split_once("## Faults").expect("the list of faults");
    let (list, _) = list.split_once("## ").unwrap_or((list, ""));
    let rows: Vec<&str> = list
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let wanted: Vec<String> = catalogue::all()
        .iter()
        .map(|entry| format!("| `{}` | {} |", entry.name, entry.about))
        .collect();
    assert_eq!(rows, wanted);
}

#[test]
fn the_page_lists_tls_scripts_and_demo_models() {
    let page = page();
    for script in TlsScript::ALL {
        assert!(
            page.contains(&format!("| `{}` |", script.name())),
            "{}",
            script.name()
        );
    }
    for model in demo::MODELS {
        let row = format!("| `{}` | {} |", model.name, model.about);
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn the_examples_of_the_page_are_scripts() {
    let page = page();
    let examples: Vec<&str> = page
        .split("```json\n")
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next())
        .collect();
    assert!(examples.len() >= 2);
    for example in examples {
        Script::from_json(example).unwrap_or_else(|error| panic!("{error}: {error:?}: {example}"));
    }
}
