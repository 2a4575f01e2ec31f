//! The names of faults, with what they do: read once from `catalogue.json`.

use std::sync::LazyLock;

use serde::Deserialize;

use super::Fault;

/// A fault with its name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name, stable: lower case words and digits joined by `-`.
    pub name: String,
    /// What it does, in a sentence.
    pub about: String,
    /// Where the form of an error body is from, for those that imitate one.
    #[serde(default)]
    pub source: Option<String>,
    /// What it does, as data.
    pub fault: Fault,
}

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    // A broken file leaves the list empty, which the tests below forbid.
    serde_json::from_str(include_str!("catalogue.json")).unwrap_or_default()
});

/// All faults that have a name.
#[must_use]
pub fn all() -> &'static [Entry] {
    &ENTRIES
}

/// The fault of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

/// Names that share a word with one that does not exist.
#[must_use]
pub fn near(name: &str) -> Vec<&'static str> {
    let words: Vec<&str> = name
        .split(['-', '_', ' '])
        .filter(|word| word.len() > 2)
        .collect();
    let shared = |entry: &Entry| {
        words
            .iter()
            .filter(|word| entry.name.contains(**word))
            .count()
    };
    let mut near: Vec<(usize, &str)> = ENTRIES
        .iter()
        .map(|e| (shared(e), e.name.as_str()))
        .filter(|(n, _)| *n > 0)
        .collect();
    near.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
    near.into_iter().take(4).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_reads_and_its_names_are_unique_and_plain() {
        serde_json::from_str::<Vec<Entry>>(include_str!("catalogue.json")).expect("well-formed");
        assert!(all().len() > 100, "{}", all().len());
        for (n, entry) in all().iter().enumerate() {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(entry.name.chars().all(plain), "{}", entry.name);
            assert!(
                all()
                    .iter()
                    .skip(n + 1)
                    .all(|other| other.name != entry.name),
                "{}",
                entry.name
            );
            assert!(entry.about.ends_with('.'), "{}", entry.name);
        }
    }

    #[test]
    fn a_wrong_name_finds_near_ones() {
        assert!(near("html-50x").contains(&"html-502"));
        assert!(near("xq").is_empty());
    }
}
