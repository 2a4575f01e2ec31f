//! Which of several targets an attempt goes to: the first that takes it, then what is merely thinned, then the least bad.

use std::time::{Duration, Instant};

use crate::breaker::{Alternative, Ask};
use crate::settings::Settings;
use crate::ticket::{Denied, Door, Ticket, Why};

/// A target that would do, with the settings that hold there.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// The way there.
    pub door: Door,
    /// What is set.
    pub settings: &'a Settings,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// Whose call it is.
    pub caller: u64,
    /// Whether its own limits are shorter than an answer may take.
    pub hurried: bool,
    /// How long it may hold the place of a probe: until the first token must be there.
    pub lease: Duration,
    /// Whether the call has made an attempt before.
    pub is_repeat: bool,
}

impl Asker {
    /// The question of one who has this alternative.
    #[must_use]
    pub fn ask(self, alternative: Alternative) -> Ask {
        Ask {
            caller: self.caller,
            alternative,
            hurried: self.hurried,
            lease: self.lease,
        }
    }
}

/// An attempt that goes.
#[derive(Debug)]
pub struct Entered {
    /// The place of the candidate that takes it.
    pub place: usize,
    /// What the attempt holds.
    pub ticket: Box<Ticket>,
    /// Why those before it in the order do not.
    pub passed_over: Vec<Denied>,
}

/// Goes to the first candidate that takes the call: in their order, and with none left, past what is only thinned, and
/// at last to the one that will be tried again soonest. `candidate` gives each by its place, and none past the last.
///
/// # Errors
/// Why each of them does not take it, in their order.
pub fn enter_first<'a>(
    candidate: impl Fn(usize) -> Option<Candidate<'a>>,
    asker: Asker,
    now: Instant,
) -> Result<Entered, Vec<Denied>> {
    let first = if candidate(1).is_some() {
        Alternative::Elsewhere
    } else {
        Alternative::Nowhere
    };
    let mut denied = Vec::new();
    while let Some(next) = candidate(denied.len()) {
        match next.door.enter(&asker.ask(first), next.settings, now) {
            Ok(ticket) => {
                return Ok(Entered {
                    place: denied.len(),
                    ticket,
                    passed_over: denied,
                });
            }
            Err(why) => denied.push(why),
        }
    }
    let is_open = |(_, denied): &(usize, &Denied)| matches!(denied.why, Why::Open(_));
    let mut open: Vec<(Option<Instant>, usize)> = denied
        .iter()
        .enumerate()
        .filter(is_open)
        .map(|(place, denied)| (denied.until, place))
        .collect();
    open.sort_unstable();
    let enter = |place: usize, alternative| {
        let next = candidate(place)?;
        let ask = asker.ask(alternative);
        next.door.enter(&ask, next.settings, now).ok()
    };
    // One call for each time that it is open goes to the least bad alone, and no repeat.
    let resort = open
        .first()
        .filter(|_| !asker.is_repeat)
        .map(|(_, place)| (*place, Alternative::LastResort));
    let thinned = open
        .iter()
        .filter(|_| first == Alternative::Elsewhere)
        .map(|(_, place)| (*place, Alternative::Nowhere));
    let ticket = thinned
        .chain(resort)
        .find_map(|(place, alternative)| Some((place, enter(place, alternative)?)));
    match ticket {
        Some((place, ticket)) => {
            denied.truncate(place);
            Ok(Entered {
                place,
                ticket,
                passed_over: denied,
            })
        }
        None => Err(denied),
    }
}
