//! What is out of use: drained by hand, or in a planned window of maintenance. Its targets get no new calls.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use diagnosis::{Code, advice};
use store::DrainRow;

use super::{Leg, Plan};
use crate::gate::Shared;
use crate::journal::{Event, Journal, Skip};
use crate::policy::Policy;
use crate::refusal::Refusal;

/// Targets that are told in a refusal; the rest is in its list.
const TOLD: usize = 3;

/// The marks of what was drained by hand. Almost always there are none, and then a call looks at one flag.
#[derive(Debug, Default)]
pub struct Drained {
    any: AtomicBool,
    marks: ArcSwap<HashMap<String, DrainRow>>,
}

impl Drained {
    /// Puts these marks in force, in place of all others.
    pub fn replace(&self, marks: Vec<DrainRow>) {
        let any = !marks.is_empty();
        let marks = marks.into_iter().map(|mark| (mark.name.clone(), mark));
        self.marks.store(Arc::new(marks.collect()));
        self.any.store(any, Ordering::Release);
    }

    /// The mark that keeps calls from a target, or from all of its provider.
    fn mark(&self, leg: &Leg, now_millis: u64) -> Option<Closure> {
        let marks = self.marks.load();
        let provider = match leg {
            Leg::Model { target, .. } => marks.get(target.provider.id.as_str()),
            Leg::Http { .. } => None,
        };
        provider
            .into_iter()
            .chain(marks.get(&**leg.label()))
            .filter(|mark| mark.holds_at(now_millis))
            // Both may hold: the later end counts, and none is the latest.
            .max_by_key(|mark| mark.until_millis.unwrap_or(u64::MAX))
            .map(|mark| Closure {
                why: Why::Drained,
                name: mark.name.clone(),
                until_millis: mark.until_millis,
                reason: mark.reason.clone(),
            })
    }
}

/// Why a target gets no calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Drained,
    Maintenance,
}

impl Why {
    /// As in `not_tried`.
    fn word(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::Maintenance => "maintenance",
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::Drained => "drained by hand",
            Self::Maintenance => "in planned maintenance",
        }
    }
}

/// What keeps calls from a target.
struct Closure {
    why: Why,
    /// What was drained: the target or its provider.
    name: String,
    until_millis: Option<u64>,
    reason: Option<String>,
}

/// Leaves the legs that are in use.
///
/// # Errors
/// None is: `scheduled_maintenance` where all are in a planned window, else `no_target_available`.
pub(super) fn keep_in_use(
    shared: &Shared,
    policy: &Policy,
    plan: &mut Plan,
    journal: &mut Journal,
) -> Result<(), Refusal> {
    let drained = &shared.drained;
    if !drained.any.load(Ordering::Acquire) && !policy.has_maintenance() {
        return Ok(());
    }
    let now_millis = shared.clock.unix_millis();
    let mut closed = Vec::new();
    plan.legs.retain(|leg| {
        let mark = drained.mark(leg, now_millis);
        let Some(closure) = mark.or_else(|| window(leg, now_millis)) else {
            return true;
        };
        journal.add(Event::Skipped(Skip {
            target: Arc::clone(leg.label()),
            why: closure.why.word(),
            opened_by: None,
        }));
        closed.push((Arc::clone(leg.label()), closure));
        false
    });
    if plan.legs.is_empty() {
        return Err(all_closed(&plan.asked, &closed, now_millis));
    }
    Ok(())
}

/// The planned window in which a target's provider is.
fn window(leg: &Leg, now_millis: u64) -> Option<Closure> {
    let Leg::Model { target, .. } = leg else {
        return None;
    };
    let windows = target.provider.maintenance.iter();
    windows
        .filter_map(|planned| Some((planned.window.until(now_millis)?, planned)))
        .max_by_key(|(until, _)| *until)
        .map(|(until, planned)| Closure {
            why: Why::Maintenance,
            name: target.provider.id.to_string(),
            until_millis: Some(until),
            reason: planned.reason.clone(),
        })
}

fn all_closed(asked: &str, closed: &[(Arc<str>, Closure)], now_millis: u64) -> Refusal {
    let is_planned = |(_, closure): &(_, Closure)| closure.why == Why::Maintenance;
    let code = if closed.iter().all(is_planned) {
        Code::ScheduledMaintenance
    } else {
        Code::NoTargetAvailable
    };
    let ends = closed
        .iter()
        .filter_map(|(_, closure)| closure.until_millis);
    let after = ends
        .min()
        .map(|end| Duration::from_millis(end.saturating_sub(now_millis)));
    let mut message = format!("Every target of '{asked}' is out of use:");
    for (place, (target, closure)) in closed.iter().take(TOLD).enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let reason = closure.reason.as_ref().map(|text| format!(" ({text})"));
        // Writing to a string cannot fail.
        write!(
            message,
            "{comma} {target} {}{}",
            closure.why.in_words(),
            reason.unwrap_or_default()
        )
        .ok();
    }
    if closed.len() > TOLD {
        write!(message, ", and {} more", closed.len() - TOLD).ok();
    }
    match after {
        Some(after) => write!(
            message,
            ". The first is back in {} s.",
            advice::whole_seconds(after)
        )
        .ok(),
        None => write!(message, ", until it is resumed by hand.").ok(),
    };
    let mut refusal = Refusal::new(code, message);
    refusal.retry_after = after;
    if let Some((_, drained)) = closed.iter().find(|one| !is_planned(one)) {
        let resume = format!(
            "To end it by hand: goodgate providers resume {}",
            drained.name
        );
        refusal.fix.push(resume);
    }
    refusal
        .fix
        .push(format!("Add a target elsewhere to '{asked}'."));
    refusal
}
