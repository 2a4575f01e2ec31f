//! The closed table of what upstreams say (`signals.toml`): words of their errors, phrases of their messages and pages.
//!
//! The table also bounds what of a foreign text may be shown: nothing that it does not know.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::cause::Code;

/// How much of a body or message is looked at.
pub(crate) const SEARCHED: usize = 4 * 1024;

/// The table, lower case throughout.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signals {
    openings: Vec<String>,
    word: Vec<Word>,
    phrase: Vec<Phrase>,
    generic: Vec<Word>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    code: Code,
    any: Vec<String>,
    #[serde(default)]
    with: Vec<String>,
    #[serde(default)]
    on: Vec<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Phrase {
    code: Code,
    any: Vec<Vec<String>>,
    #[serde(default)]
    on: Vec<u16>,
}

/// What a web page can tell. Its text may hold any words, and a page that says "model" and "not found" is no provider.
const ON_PAGES: [Code; 7] = [
    Code::PlaintextToTlsPort,
    Code::ScheduledMaintenance,
    Code::NoHealthyBackend,
    Code::BadGateway,
    Code::UpstreamGatewayTimeout,
    Code::RateLimited,
    Code::RegionBlocked,
];

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A message, or a short plain body.
    Message,
    /// A web page.
    Page,
}

/// The table, read once.
#[expect(clippy::expect_used, reason = "a test reads the embedded table")]
pub(crate) fn table() -> &'static Signals {
    static TABLE: OnceLock<Signals> = OnceLock::new();
    TABLE.get_or_init(|| {
        toml::from_str(include_str!("signals.toml")).expect("signals.toml is valid")
    })
}

impl Signals {
    /// What a specific word means under this status; `message` is lower case.
    pub(crate) fn word(&self, said: &[&str], message: &str, status: u16) -> Option<Code> {
        find_word(&self.word, said, message, status)
    }

    /// What a general word means inside a success.
    pub(crate) fn generic(&self, said: &[&str], message: &str) -> Option<Code> {
        find_word(&self.generic, said, message, 200)
    }

    /// What a phrase in these texts (lower case) means under this status. Of a web page, whose text may speak of
    /// anything, only what balancers, proxies and edges say counts.
    pub(crate) fn phrase(&self, texts: &[String], form: Form, status: u16) -> Option<Code> {
        self.phrase
            .iter()
            .filter(|phrase| counts_on(&phrase.on, status) && phrase.is_for(form))
            .find(|phrase| {
                phrase
                    .any
                    .iter()
                    .any(|parts| texts.iter().any(|text| holds(text, parts)))
            })
            .map(|phrase| phrase.code)
    }

    /// The phrases found in a text (lower case), as the table has them; at most four.
    pub(crate) fn phrases_in(&self, text: &str, form: Form) -> Vec<String> {
        self.phrase
            .iter()
            .filter(|phrase| phrase.is_for(form))
            .flat_map(|phrase| &phrase.any)
            .filter(|parts| holds(text, parts))
            .map(|parts| parts.join(" … "))
            .take(4)
            .collect()
    }

    /// Whether a message (lower case) begins like one that a provider is known to send.
    pub(crate) fn is_known_message(&self, message: &str) -> bool {
        self.openings
            .iter()
            .any(|opening| message.starts_with(opening.as_str()))
    }
}

impl Phrase {
    fn is_for(&self, form: Form) -> bool {
        form == Form::Message || ON_PAGES.contains(&self.code)
    }
}

fn find_word(words: &[Word], said: &[&str], message: &str, status: u16) -> Option<Code> {
    words
        .iter()
        .filter(|word| counts_on(&word.on, status))
        .filter(|word| {
            word.any
                .iter()
                .any(|known| said.iter().any(|one| one.eq_ignore_ascii_case(known)))
        })
        .find(|word| holds(message, &word.with))
        .map(|word| word.code)
}

/// An empty list means any status. A success stands as 200.
fn counts_on(on: &[u16], status: u16) -> bool {
    let status = if (200..300).contains(&status) {
        200
    } else {
        status
    };
    on.is_empty() || on.contains(&status)
}

fn holds(text: &str, parts: &[String]) -> bool {
    parts.iter().all(|part| text.contains(part.as_str()))
}

/// The beginning of a foreign text in lower case, for searching.
pub(crate) fn lower(text: &str) -> String {
    text.get(..text.floor_char_boundary(SEARCHED))
        .unwrap_or(text)
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_lower_case_where_lower_case_is_searched() {
        let table = table();
        let parts = table
            .phrase
            .iter()
            .flat_map(|phrase| phrase.any.iter().flatten());
        let with = table
            .word
            .iter()
            .chain(&table.generic)
            .flat_map(|word| &word.with);
        for text in parts.chain(with).chain(&table.openings) {
            assert_eq!(text, &text.to_lowercase());
        }
    }

    #[test]
    fn every_phrase_names_its_statuses_because_messages_repeat_what_callers_write() {
        for phrase in &table().phrase {
            assert!(!phrase.on.is_empty(), "{}: {:?}", phrase.code, phrase.any);
        }
    }

    #[test]
    fn quota_stands_before_rate_limit() {
        let place = |code| table().word.iter().position(|word| word.code == code);
        assert!(place(Code::QuotaExhausted) < place(Code::RateLimited));
        assert!(place(Code::RegionBlocked) < place(Code::PermissionDenied));
    }
}
