//! What the last hour's calls showed of each target: part of what is shown of providers.

use std::collections::BTreeMap;

use serde::Serialize;
use store::{AttemptRow, Kept};
use utoipa::ToSchema;

use super::counts::{Spread, spread};

/// The latest calls that are looked at.
pub(super) const SAMPLE: usize = 500;
/// Different causes that are told of a target.
const MOST_CAUSES: usize = 8;

/// What the last hour showed of a target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Seen {
    /// Its minutes with answers or failures, oldest first; exact, and forgotten at a restart.
    pub history: Vec<Slice>,
    /// Attempts among the latest 500 calls of the hour: all below is taken from these.
    pub sample: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How many failed in calls that were answered all the same.
    pub recovered: u64,
    /// Time to the first content; of plain routes, to the first byte.
    pub ttft: Spread,
    /// Why they failed, the most frequent first, eight causes at most.
    pub causes: Vec<Cause>,
    /// The latest that failed.
    pub last_failure: Option<LastFailure>,
}

/// One minute of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Slice {
    /// When it begins: milliseconds since 1970.
    pub start_ms: u64,
    /// Good answers.
    pub answered: u64,
    /// Failures.
    pub failed: u64,
}

/// Failures of one code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Cause {
    /// The code.
    pub code: String,
    /// How many.
    pub attempts: u64,
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LastFailure {
    /// When: milliseconds since 1970.
    pub at_ms: u64,
    /// Its code.
    pub code: String,
    /// One line of evidence.
    pub evidence: Option<String>,
    /// The call.
    pub request: String,
}

/// What `latest` calls, newest first, and the minutes of `history` show of each target.
pub(super) fn by_target(
    latest: &[Kept],
    history: Vec<(String, Vec<Slice>)>,
) -> BTreeMap<String, Seen> {
    let mut all: BTreeMap<String, Seen> = BTreeMap::new();
    let mut firsts: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut causes: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (kept, attempt) in attempts(latest) {
        let seen = all.entry(attempt.target.to_string()).or_default();
        seen.sample += 1;
        let Some(code) = attempt.code.as_deref() else {
            firsts
                .entry(&attempt.target)
                .or_default()
                .extend(first_content(attempt));
            continue;
        };
        seen.failed += 1;
        let is_answered = matches!(
            kept.call.outcome,
            store::Outcome::Ok | store::Outcome::Recovered
        );
        seen.recovered += u64::from(is_answered);
        *causes.entry((&attempt.target, code)).or_default() += 1;
        seen.last_failure.get_or_insert_with(|| LastFailure {
            at_ms: kept.call.unix_millis + attempt.at_ms + attempt.ms,
            code: code.to_owned(),
            evidence: attempt.evidence.clone(),
            request: kept.call.id.to_string(),
        });
    }
    for ((target, code), attempts) in causes {
        if let Some(seen) = all.get_mut(target) {
            seen.causes.push(Cause {
                code: code.to_owned(),
                attempts,
            });
        }
    }
    for (target, seen) in &mut all {
        seen.causes
            .sort_by_key(|cause| std::cmp::Reverse(cause.attempts));
        seen.causes.truncate(MOST_CAUSES);
        seen.ttft = spread(
            firsts
                .remove(target.as_str())
                .unwrap_or_default()
                .into_iter(),
        );
    }
    for (target, slices) in history {
        all.entry(target).or_default().history = slices;
    }
    all
}

/// The attempts of all calls, the latest first.
fn attempts(latest: &[Kept]) -> impl Iterator<Item = (&Kept, &AttemptRow)> {
    latest.iter().flat_map(|kept| {
        let attempts = kept.call.attempts.iter().rev();
        attempts.map(move |attempt| (kept, attempt))
    })
}

fn first_content(attempt: &AttemptRow) -> Option<u64> {
    let phases = &attempt.phases;
    let first = phases.first_token.or(phases.first_byte)?;
    u64::try_from(first.as_millis()).ok()
}
