#![cfg(test)]
//! `corpus/`: failures as they are met, one file each, with the verdict they must keep.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::judged;
use crate::cause::{Code, Origin, Processed};
use crate::evidence::{Evidence, Signal};
use crate::excerpt::scrub;
use crate::verdict::{MadeBy, Verdict, judge};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Where the failure, or the form of its body, was seen.
    source: String,
    evidence: Evidence,
    /// The answer's body; excerpt, title and error words are read from it.
    body: Option<String>,
    verdict: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    code: Code,
    origin: Origin,
    processed: Processed,
    made_by: MadeBy,
    evidence_line: String,
    full_line: String,
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    files
}

/// The words of an error body, as a dialect would read them.
fn words(body: &str) -> Option<Signal> {
    let value: Value = serde_json::from_str(body).ok()?;
    let error = value.get("error").filter(|error| error.is_object())?;
    let word = |name: &str| match error.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Some(Signal {
        kind: word("type").or_else(|| word("status")),
        code: word("code"),
        param: word("param"),
        message: word("message"),
        concluded: None,
    })
}

fn read(path: &Path) -> (Case, Evidence) {
    let text = fs::read_to_string(path).expect("a readable file");
    let case: Case =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut evidence = case.evidence.clone();
    if let Some(body) = &case.body {
        let kind = evidence
            .head
            .as_ref()
            .and_then(|head| head.content_type.clone());
        (evidence.excerpt, evidence.page_title) = scrub(body.as_bytes(), kind.as_deref());
        evidence.signal = words(body).or(evidence.signal);
    }
    (case, evidence)
}

/// The verdict and the status of the first recorded failure with this code.
pub(super) fn verdict_of(code: Code) -> Option<(Verdict, Option<u16>)> {
    let evidences = files().into_iter().map(|path| read(&path).1);
    evidences
        .map(|evidence| (judge(&evidence), evidence.status()))
        .find(|(verdict, _)| verdict.code == code)
}

fn check(path: &Path) -> (Code, Option<String>) {
    let (case, evidence) = read(path);
    assert!(case.source.len() > 10, "{}: a source line", path.display());
    let verdict = judge(&evidence);
    let found = Expected {
        code: verdict.code,
        origin: verdict.origin,
        processed: verdict.processed,
        made_by: verdict.made_by,
        evidence_line: verdict.evidence_line,
        full_line: verdict.full_line,
    };
    let show = |of: &Expected| {
        format!(
            "{} {} {} {}\n    {:?}\n    {:?}",
            of.code, of.origin, of.processed, of.made_by, of.evidence_line, of.full_line
        )
    };
    let (expected, found) = (show(&case.verdict), show(&found));
    let wrong = (expected != found).then(|| {
        format!(
            "{}\n  expected {expected}\n  judged   {found}",
            path.display()
        )
    });
    (case.verdict.code, wrong)
}

#[test]
fn every_recorded_failure_keeps_its_verdict() {
    let wrong: Vec<String> = files().iter().filter_map(|path| check(path).1).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_that_an_attempt_can_show_has_a_recorded_failure() {
    let recorded: BTreeSet<Code> = files().iter().map(|path| check(path).0).collect();
    let missing: Vec<Code> = judged().filter(|code| !recorded.contains(code)).collect();
    assert_eq!(missing, []);
}

#[test]
fn what_is_stored_of_a_recorded_failure_repeats_no_unknown_message() {
    let signal = Signal {
        message: Some("Invalid: 'dear diary'".to_owned()),
        ..Signal::default()
    };
    let evidence = Evidence {
        signal: Some(signal),
        ..Evidence::default()
    };
    let stored = serde_json::to_string(&evidence).expect("plain data");
    assert!(!stored.contains("diary"), "{stored}");
}
