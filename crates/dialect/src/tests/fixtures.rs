//! Every fixture, in every direction, against its snapshot.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{answer, chunks, events, send_text, written};
use crate::{Dialect, Encoding, decode_reply};

fn folder(dialect: Dialect, kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(dialect.as_str())
        .join("fixtures")
        .join(kind)
}

/// The fixtures of a kind: name and text, sorted.
pub(super) fn fixtures(dialect: Dialect, kind: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = fs::read_dir(folder(dialect, kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json" || extension == "sse")
        })
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                fs::read_to_string(path).unwrap(),
            )
        })
        .collect();
    found.sort();
    assert!(
        !found.is_empty(),
        "{dialect:?} has no fixtures of kind {kind}"
    );
    found
}

fn snapshot(dialect: Dialect, kind: &str, name: &str, value: &Value) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder(dialect, kind));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_json_snapshot!(name, value));
}

#[test]
fn every_call_is_written_for_every_dialect_as_its_snapshot_shows() {
    for (name, text) in fixtures(Dialect::OpenaiChat, "call") {
        for dialect in Dialect::ALL {
            let encoding = Encoding {
                model: "served",
                ..Encoding::default()
            };
            let shown = match send_text(*dialect, &text, &encoding) {
                Ok(sent) => {
                    json!({"body": sent.body, "losses": sent.losses, "headers": sent.headers})
                }
                Err(error) => json!({"refused": {"param": error.param, "message": error.message}}),
            };
            snapshot(
                Dialect::OpenaiChat,
                "call",
                &format!("{name}.to-{}", dialect.as_str()),
                &shown,
            );
        }
    }
}

#[test]
fn every_answer_is_written_for_clients_as_its_snapshot_shows() {
    for dialect in Dialect::ALL {
        for (name, text) in fixtures(*dialect, "reply") {
            let losses = decode_reply(*dialect, text.as_bytes()).unwrap().losses;
            let shown = json!({"body": answer(*dialect, &text).unwrap(), "losses": losses});
            snapshot(*dialect, "reply", &format!("{name}.to-openai_chat"), &shown);
        }
    }
}

#[test]
fn every_stream_is_written_for_clients_as_its_snapshot_shows() {
    for dialect in Dialect::ALL {
        for (name, text) in fixtures(*dialect, "stream") {
            let (events, result) = events(*dialect, &[text.as_bytes()]);
            assert_eq!(result, Ok(()), "{name}");
            let written = written(&events);
            assert!(written.ends_with("data: [DONE]\n\n"), "{name}");
            let deltas: Vec<Value> = chunks(&written).into_iter().map(essence).collect();
            snapshot(
                *dialect,
                "stream",
                &format!("{name}.to-openai_chat"),
                &json!(deltas),
            );
        }
    }
}

/// A chunk without what is the same in all of them.
fn essence(mut chunk: Value) -> Value {
    let object = chunk.as_object_mut().unwrap();
    assert_eq!(object.remove("id"), Some(json!("chatcmpl-test")));
    assert_eq!(
        object.remove("object"),
        Some(json!("chat.completion.chunk"))
    );
    assert_eq!(object.remove("created"), Some(json!(1_790_000_000)));
    assert_eq!(object.remove("model"), Some(json!("asked")));
    chunk
}

/// Every line of `SOURCE` names a fixture, and every fixture has a line.
#[test]
fn every_fixture_names_its_source() {
    for dialect in Dialect::ALL {
        let source = fs::read_to_string(folder(*dialect, "SOURCE")).unwrap();
        for kind in ["call", "reply", "stream"] {
            if !folder(*dialect, kind).exists() {
                continue;
            }
            for (name, _) in fixtures(*dialect, kind) {
                let named = format!("{kind}/{name}.");
                let all = format!("{kind}/*.");
                assert!(
                    source.contains(&named) || source.contains(&all),
                    "{dialect:?}: {named}"
                );
            }
        }
    }
}
