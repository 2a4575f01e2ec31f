//! May this caller call now: draining, calls a minute, calls at a time.

use std::time::Duration;

use diagnosis::Code;
use limits::concurrency::Slot;

use crate::gate::Gate;
use crate::intake::Head;
use crate::keyring::Caller;
use crate::refusal::{LimitReached, Refusal};
use crate::serve::drain::Stage;

/// A caller's place among the calls that run; given back when dropped.
#[derive(Debug)]
pub struct Place {
    _slot: Option<Slot>,
}

/// Gives the call a place, or says when to come again.
///
/// # Errors
/// The gateway is shutting down or runs short itself; the key's rate or concurrency is used up.
pub fn admit(gate: &Gate, caller: &Caller, head: &Head) -> Result<Place, Refusal> {
    if gate.shared.drain.is_at(Stage::EndingCalls) {
        return Err(with_retries(Refusal::shutting_down(), head));
    }
    if gate.shared.resources.leaves_out(caller.priority) {
        return Err(with_retries(left_out(caller), head));
    }
    if let Some(Err(exceeded)) = caller
        .rate
        .as_ref()
        .map(|(_, rate)| rate.take(gate.shared.clock.now()))
    {
        let limit = reached(
            caller,
            "rpm",
            u64::from(exceeded.limit),
            Some(exceeded.resets_in),
        );
        let message = format!(
            "The key '{}' has used its {} calls a minute.",
            caller.key, exceeded.limit
        );
        return Err(with_retries(limited(message, limit), head));
    }
    let slot = match caller
        .concurrency
        .as_ref()
        .map(|limit| (limit, limit.take()))
    {
        None => None,
        Some((_, Some(slot))) => Some(slot),
        Some((limit, None)) => {
            let most = u64::from(limit.limit());
            let message = format!(
                "The key '{}' has {most} calls running, the most it may.",
                caller.key
            );
            let limit = reached(caller, "concurrency", most, None);
            return Err(with_retries(limited(message, limit), head));
        }
    };
    Ok(Place { _slot: slot })
}

/// The process itself runs short. Nothing of the body was read.
fn left_out(caller: &Caller) -> Refusal {
    let message = format!(
        "The gateway is short of descriptors, memory or time: it leaves out '{}' calls for the moment.",
        caller.priority.as_str()
    );
    Refusal::new(Code::LoadShed, message).after(come_back())
}

/// When whoever was left out may come again: not all at once.
fn come_back() -> Duration {
    Duration::from_millis(1_000 + fastrand::u64(..2_000))
}

fn reached(
    caller: &Caller,
    kind: &'static str,
    limit: u64,
    resets_in: Option<Duration>,
) -> LimitReached {
    LimitReached {
        scope: "key",
        name: caller.key.to_string(),
        kind,
        limit,
        used: limit,
        resets_in,
    }
}

fn limited(message: String, limit: LimitReached) -> Refusal {
    let after = limit.resets_in.unwrap_or(Duration::from_secs(1));
    let mut refusal = Refusal::new(Code::GatewayRateLimited, message).after(after);
    refusal.limit = Some(limit);
    refusal
}

fn with_retries(mut refusal: Refusal, head: &Head) -> Refusal {
    refusal.client_retries = head.client_retries();
    refusal
}
