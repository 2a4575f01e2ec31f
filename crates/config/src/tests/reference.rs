//! The committed schema and reference page are what this code generates.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{policy, repository};
use crate::environment::Environment;
use crate::schema;
use crate::yaml;

fn is_fresh(path: &str, generated: &str) {
    let file = repository().join(path);
    if Environment::capture().get("UPDATE_REFERENCE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, generated).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == generated,
        "{path} is stale: UPDATE_REFERENCE=1 cargo test -p goodgate-config reference"
    );
}

#[test]
fn the_schema_is_fresh() {
    is_fresh(
        "docs/reference/goodgate.schema.json",
        &schema::committed_schema(),
    );
    // What the binary prints also names the kinds, for editors to complete.
    assert!(crate::schema_json().contains("\"openai-compatible\""));
}

#[test]
fn the_reference_page_is_fresh() {
    is_fresh("docs/reference/config.md", &crate::reference_markdown());
}

/// Every path of keys in the schema; names are `*`.
fn schema_paths(schema: &Value, path: &str, out: &mut BTreeSet<String>) {
    for alternative in schema
        .get("anyOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        schema_paths(alternative, path, out);
    }
    if let Some(items) = schema.get("items") {
        schema_paths(items, path, out);
    }
    if let Some(entry) = schema.get("additionalProperties") {
        schema_paths(entry, &format!("{path}.*"), out);
    }
    for (key, value) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let below = format!("{path}.{key}");
        out.insert(below.clone());
        schema_paths(value, &below, out);
    }
}

/// Every path of keys in a file, with the names of entries as they are.
fn file_paths(node: &yaml::Node, path: &str, out: &mut BTreeSet<String>) {
    match &node.value {
        yaml::Value::Map(entries) => {
            for entry in entries {
                let is_name = matches!(
                    path,
                    ".providers"
                        | ".models"
                        | ".routes"
                        | ".keys"
                        | ".providers.*.headers"
                        | ".providers.*.models"
                        | ".routes.*.request_headers.set"
                        | ".routes.*.request_headers.add"
                        | ".routes.*.response_headers.set"
                        | ".routes.*.response_headers.add"
                );
                let below = if is_name {
                    format!("{path}.*")
                } else {
                    format!("{path}.{}", entry.key)
                };
                if !is_name {
                    out.insert(below.clone());
                }
                file_paths(&entry.node, &below, out);
            }
        }
        yaml::Value::List(nodes) => nodes.iter().for_each(|node| file_paths(node, path, out)),
        yaml::Value::Scalar(..) => {}
    }
}

#[test]
fn schema_and_reader_know_the_same_keys() {
    let schema: Value = serde_json::from_str(&crate::schema_json()).unwrap();
    let mut in_schema = BTreeSet::new();
    schema_paths(&schema, "", &mut in_schema);
    let (root, problems) = yaml::read(policy::EVERYTHING);
    assert!(problems.is_empty());
    let mut in_file = BTreeSet::new();
    file_paths(&root, "", &mut in_file);
    // The settings of `resilience` stand in aliases, too, and all timers in providers: once is enough.
    let is_repeated = |path: &String| {
        [
            ".models.*.timeout.",
            ".models.*.retry.",
            ".providers.*.timeout.",
        ]
        .iter()
        .any(|start| path.starts_with(start))
    };
    let strip = |paths: BTreeSet<String>| -> BTreeSet<String> {
        paths
            .into_iter()
            .filter(|path| !is_repeated(path))
            .collect()
    };
    assert_eq!(strip(in_schema), strip(in_file));
}
