//! ARCHITECTURE.md names every crate, and its dependency list is Cargo's.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn crates() -> BTreeSet<String> {
    let folders = fs::read_dir(root().join("crates")).unwrap();
    folders
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// What Cargo.toml lists under `[dependencies]`, as far as it is of this workspace.
fn in_cargo(name: &str, all: &BTreeSet<String>) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap();
    let (_, rest) = text.split_once("[dependencies]\n").unwrap();
    let section = rest.split("\n[").next().unwrap();
    let names = section
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next());
    names
        .filter(|name| all.contains(*name))
        .map(str::to_owned)
        .collect()
}

fn in_architecture(text: &str, all: &BTreeSet<String>) -> BTreeMap<String, BTreeSet<String>> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_suffix(')')?.split_once('('));
    lines
        .filter(|(name, _)| all.contains(*name))
        .map(|(name, list)| {
            (
                name.to_owned(),
                list.split_whitespace().map(str::to_owned).collect(),
            )
        })
        .collect()
}

#[test]
fn the_dependency_list_is_cargos() {
    let all = crates();
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let written = in_architecture(&text, &all);
    let real: BTreeMap<_, _> = all
        .iter()
        .map(|name| (name.clone(), in_cargo(name, &all)))
        .collect();
    assert_eq!(written, real);
}

#[test]
fn the_list_goes_from_below_upwards() {
    let all = crates();
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        let Some((name, list)) = line.strip_suffix(')').and_then(|line| line.split_once('('))
        else {
            continue;
        };
        if !all.contains(name) {
            continue;
        }
        for dependency in list.split_whitespace() {
            assert!(
                seen.contains(dependency),
                "{name} depends on {dependency}, which comes later"
            );
        }
        seen.insert(name.to_owned());
    }
    assert_eq!(seen, all);
}

#[test]
fn every_crate_is_in_the_code_map() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for name in crates() {
        assert!(
            text.contains(&format!("- **{name}**: ")),
            "{name} is not described"
        );
    }
}
