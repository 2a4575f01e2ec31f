//! The table of kinds is complete: each has prices with a source, and real error bodies that are read right.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use diagnosis::{Code, Group};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use crate::{Billing, KINDS, Kind, catalog};

/// One error answer as its owner publishes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    /// The document it is from, and when it was seen.
    source: String,
    status: u16,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    /// Text as it comes, or JSON.
    body: serde_json::Value,
    /// What it means; `null` where the words say nothing that the status does not.
    code: Option<String>,
}

fn folder(kind: &Kind) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(kind.name.replace('-', "_"))
}

fn fixtures(kind: &Kind) -> Vec<(String, Fixture)> {
    let mut found: Vec<_> = std::fs::read_dir(folder(kind).join("fixtures"))
        .unwrap_or_else(|_| panic!("{} has no fixtures", kind.name))
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let fixture = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.display().to_string(), fixture)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn read(kind: &Kind, fixture: &Fixture) -> Option<Code> {
    let headers: HeaderMap = fixture
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.parse::<HeaderName>().unwrap(),
                value.parse::<HeaderValue>().unwrap(),
            )
        })
        .collect();
    let body = match &fixture.body {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    crate::signal(
        kind,
        kind.dialect,
        fixture.status,
        &headers,
        body.as_bytes(),
    )
    .and_then(|signal| signal.concluded)
}

#[test]
fn every_error_body_means_what_its_fixture_says() {
    for kind in KINDS {
        for (path, fixture) in fixtures(kind) {
            assert!(
                fixture.source.contains("seen 20"),
                "{path}: source, seen when?"
            );
            let expected = fixture
                .code
                .as_deref()
                .map(|code| Code::parse(code).unwrap_or_else(|| panic!("{path}: no code {code}")));
            assert_eq!(read(kind, &fixture), expected, "{path}");
        }
    }
}

#[test]
fn every_kind_has_an_authentication_an_overload_and_a_quota_error() {
    for kind in KINDS {
        let codes: BTreeSet<&str> = fixtures(kind)
            .iter()
            .filter_map(|(_, fixture)| Code::parse(fixture.code.as_deref()?))
            .map(|code| {
                if code.facts().group == Group::Overload {
                    "overload"
                } else {
                    code.as_str()
                }
            })
            .collect();
        let mut wanted = vec!["overload"];
        // The demo models take no key, and nobody is billed for a server of his own.
        if kind.auth != crate::Auth::None {
            wanted.push("credentials_rejected");
        }
        if kind.billing == Billing::Account {
            wanted.push("quota_exhausted");
        }
        for code in wanted {
            assert!(codes.contains(code), "{} has no {code} fixture", kind.name);
        }
    }
}

#[test]
fn every_kind_has_prices_with_a_source_and_a_date() {
    for kind in KINDS {
        catalog::check(kind.models).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
        let source = catalog::source(kind);
        assert!(source.contains("20"), "{}: {source}", kind.name);
    }
}

#[test]
fn names_and_folders_agree_and_no_name_is_taken_twice() {
    let names: BTreeSet<_> = KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), KINDS.len());
    for kind in KINDS {
        assert!(folder(kind).join("mod.rs").exists(), "{}", kind.name);
        assert_eq!(crate::kind(kind.name), Some(*kind));
        assert!(kind.version_segment.starts_with('/'), "{}", kind.name);
    }
    assert_eq!(crate::kind("nobody"), None);
}

#[test]
fn no_error_body_of_any_form_panics_a_reader() {
    let bodies = [
        r#"{"error":null}"#,
        r#"{"error":{"code":{"a":1},"message":["x"],"type":5}}"#,
        r#"{"error":{"message":""}}"#,
        r#"{"detail":[[[]]]}"#,
        "[1]",
        "\u{feff}{}",
    ];
    for kind in KINDS {
        for body in bodies {
            for status in [0, 200, 400, 401, 402, 404, 429, 500, 503, 999] {
                let headers = HeaderMap::new();
                drop(crate::signal(
                    kind,
                    kind.dialect,
                    status,
                    &headers,
                    body.as_bytes(),
                ));
                drop(crate::list_models(kind, body.as_bytes()));
            }
        }
    }
}
