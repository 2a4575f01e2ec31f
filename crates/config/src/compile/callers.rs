//! Callers' keys that the file declares.

use std::collections::HashMap;

use types::{KeyId, Priority, TeamId};

use super::Aliases;
use super::providers::{Known, line};
use crate::assemble::{DEMO, FIRST};
use crate::file::{At, KeyFile, Named};
use crate::keys::{self, KeyHash};
use crate::reader::Reader;
use crate::snapshot::DeclaredKey;

/// Request headers that are a right of a key.
const RIGHTS: &[&str] = &[
    "*",
    "x-request-timeout-ms",
    "x-goodgate-max-attempts",
    "x-goodgate-tags",
    "x-goodgate-targets",
    "x-goodgate-hold",
    "x-goodgate-no-log",
    "x-goodgate-fault",
    "x-goodgate-dry-run",
];

/// The fewest characters of a secret: shorter ones can be guessed.
const SHORTEST: usize = 16;

pub(super) fn compile(
    reader: &Reader<'_>,
    written: &Named<KeyFile>,
    known: &Known,
    aliases: &Aliases,
    demo: bool,
) -> Vec<DeclaredKey> {
    let mut hashes: HashMap<KeyHash, String> = HashMap::new();
    let mut made = Vec::new();
    for (name, file) in &written.0 {
        if !super::is_good_name(&name.value) {
            reader
                .error("bad_name", &name.spot, "this cannot be a key's name")
                .label("1 to 128 characters, no space");
            continue;
        }
        let models = models(reader, file, known, aliases, demo);
        let allow_headers = allow_headers(reader, file);
        let Some(hash) = hash(reader, name, file) else {
            continue;
        };
        if let Some(first) = hashes.insert(hash, name.value.clone()) {
            reader
                .error(
                    "bad_key",
                    &name.spot,
                    format!("`{}` has the secret of `{first}`", name.value),
                )
                .label("each key needs a secret of its own");
            continue;
        }
        made.push(DeclaredKey {
            id: KeyId::new(&name.value),
            hash,
            rpm: file.rpm.as_ref().map(|at| at.value),
            concurrency: file.concurrency.as_ref().map(|at| at.value),
            priority: file
                .priority
                .as_ref()
                .map_or_else(Priority::default, |at| at.value),
            team: team(reader, file),
            hold: file.hold.as_ref().map(|at| at.value),
            models,
            allow_headers,
            line: line(&name.spot),
        });
    }
    made
}

fn hash(reader: &Reader<'_>, name: &At<String>, file: &KeyFile) -> Option<KeyHash> {
    match (&file.secret, &file.hash) {
        (Some(secret), None) => {
            let text = secret.value.secret.reveal();
            let problem = if text.is_empty() && reader.environment().allows_missing() {
                return None;
            } else if text.starts_with(keys::PREFIX) && !keys::is_well_formed(text) {
                "a character of it is wrong: its checksum does not fit"
            } else if text.len() < SHORTEST {
                "16 characters at least"
            } else if !provider::auth::is_sendable(&secret.value.secret) {
                "visible ASCII characters, no spaces"
            } else {
                return Some(KeyHash::of(text));
            };
            reader
                .error(
                    "bad_key",
                    &secret.spot,
                    format!("the secret of `{}` cannot be used", name.value),
                )
                .label(problem);
            None
        }
        (None, Some(hash)) => Some(hash.value),
        (Some(_), Some(hash)) => {
            reader
                .error(
                    "bad_key",
                    &hash.spot,
                    format!("key `{}` has a secret and a hash", name.value),
                )
                .label("one of the two");
            None
        }
        (None, None) => {
            // A secret that could not be read was told already.
            if !file.has_secret {
                reader
                    .error(
                        "bad_key",
                        &name.spot,
                        format!("key `{}` has no secret", name.value),
                    )
                    .label("write  secret: ${NAME}, in quotes, or hash");
            }
            None
        }
    }
}

fn models(
    reader: &Reader<'_>,
    file: &KeyFile,
    known: &Known,
    aliases: &Aliases,
    demo: bool,
) -> Option<Vec<String>> {
    let written = file.models.as_ref()?;
    let mut names: Vec<&str> = aliases.keys().map(String::as_str).collect();
    names.extend(demo.then_some(FIRST));
    for at in written {
        let text = at.value.as_str();
        let provider = text.split_once('/').map(|(provider, _)| provider);
        let exists = text.ends_with('*')
            || names.contains(&text)
            || provider.is_some_and(|name| {
                known.names.iter().any(|one| one == name) || (demo && name == DEMO)
            });
        if !exists {
            reader
                .error(
                    "unknown_model",
                    &at.spot,
                    format!("there is no model `{text}`"),
                )
                .label("an alias, or provider/model")
                .near(text, names.iter().copied());
        }
    }
    Some(written.iter().map(|at| at.value.clone()).collect())
}

fn team(reader: &Reader<'_>, file: &KeyFile) -> Option<TeamId> {
    let written = file.team.as_ref()?;
    if !super::is_good_name(&written.value) {
        reader
            .error("bad_name", &written.spot, "this cannot be a team's name")
            .label("1 to 128 characters, no space");
        return None;
    }
    Some(TeamId::new(&written.value))
}

fn allow_headers(reader: &Reader<'_>, file: &KeyFile) -> Vec<String> {
    let mut allowed = Vec::new();
    for at in file.allow_headers.iter().flatten() {
        let name = at.value.to_ascii_lowercase();
        if RIGHTS.contains(&name.as_str()) {
            allowed.push(name);
        } else {
            reader
                .error(
                    "bad_header",
                    &at.spot,
                    format!("`{name}` is no right of a key"),
                )
                .label("an x-goodgate-… header that changes how a call is made")
                .near(&name, RIGHTS.iter().copied());
        }
    }
    allowed
}
