//! Puts a plan's targets into the order of the alias' strategy.

use std::sync::Arc;
use std::time::{Duration, Instant};

use config::ModelPolicy;
use resilience::balance::{Candidate, Lane, Readiness, Reading, Strategy, order};
use resilience::{Alternative, Ask, Door, Level};
use types::NanoUsd;

use super::sticky::{self, Conversation, Turn, Warm, Weighing};
use super::{Leg, Plan};
use crate::gate::Shared;
use crate::intake::ModelCall;
use crate::journal::{Event, Journal};

/// Orders the legs. With one of them, or the written order, there is nothing to do.
pub(super) fn arrange(
    shared: &Shared,
    alias: &ModelPolicy,
    call: &ModelCall,
    plan: &mut Plan,
    journal: &mut Journal,
) {
    let conversation = alias.sticky.map(|_| Conversation::of(call));
    // Also the only target that is left will be where the conversation is.
    plan.turn = conversation.map(|conversation| Turn::new(&shared.conversations, conversation));
    let is_written = alias.strategy == Strategy::Ordered && conversation.is_none();
    if is_written || plan.legs.len() < 2 {
        return;
    }
    let now = shared.clock.now();
    let candidates: Vec<Candidate> = plan
        .legs
        .iter()
        .map(|leg| candidate(shared, alias.strategy, (plan, leg), call, now))
        .collect();
    let mut order = match conversation.filter(|_| alias.strategy == Strategy::Weighted) {
        Some(conversation) => by_conversation(conversation, plan, &candidates),
        None => order(alias.strategy, &candidates, fastrand::f64),
    };
    if let (Some(conversation), Some(settings)) = (conversation, alias.sticky) {
        let labels = plan.legs.iter().map(|leg| &**leg.label());
        let warm = shared.conversations.recall(conversation, labels, now);
        if let Some(warm) = warm {
            let stay = Stay {
                plan,
                strategy: alias.strategy,
                candidates: &candidates,
                max_loss: settings.max_cache_loss,
            };
            stay.apply(warm, &mut order, journal);
        }
    }
    let mut legs: Vec<Option<Leg>> = std::mem::take(&mut plan.legs)
        .into_iter()
        .map(Some)
        .collect();
    let in_order = order
        .iter()
        .filter_map(|place| legs.get_mut(*place)?.take());
    plan.legs = in_order.collect();
}

/// By weight, the same for all turns of a conversation, whichever gateway is asked and whatever else is drained.
fn by_conversation(
    conversation: Conversation,
    plan: &Plan,
    candidates: &[Candidate],
) -> Vec<usize> {
    let mut labels = plan.legs.iter().map(Leg::label);
    order(Strategy::Weighted, candidates, || {
        labels
            .next()
            .map_or(0.0, |label| conversation.chance(label))
    })
}

fn candidate(
    shared: &Shared,
    strategy: Strategy,
    (plan, leg): (&Plan, &Leg),
    call: &ModelCall,
    now: Instant,
) -> Candidate {
    let Leg::Model { target, .. } = leg else {
        return Candidate::unknown(Readiness::Ready, 1);
    };
    let lane = lane(call);
    let load = match strategy {
        Strategy::LeastBusy | Strategy::Fastest => {
            shared.loads.watch(&target.label, now).read(lane, now)
        }
        Strategy::Ordered | Strategy::Weighted | Strategy::Cheapest => Reading::default(),
    };
    Candidate {
        readiness: readiness(shared, plan, leg, now),
        weight: target.weight,
        load,
        price: sticky::estimate(target, call).map(NanoUsd::as_nanos),
    }
}

/// Whether a target takes a call with any of its keys. Nothing is taken by looking.
fn readiness(shared: &Shared, plan: &Plan, leg: &Leg, now: Instant) -> Readiness {
    let Leg::Model { target, ready } = leg else {
        return Readiness::Ready;
    };
    if leg.is_demo() {
        return Readiness::Ready;
    }
    let registry = &shared.registry;
    let states = ready.states(registry, plan.resilience.retry_budget);
    let guarded = if target.is_named {
        registry.target(&target.label, &states.provider)
    } else {
        registry.target_if_known(&target.label, &states.provider)
    };
    let ask = Ask {
        caller: plan.caller,
        alternative: Alternative::Elsewhere,
        hurried: false,
        lease: Duration::ZERO,
    };
    let mut doors = states.credentials.iter().map(|credential| Door {
        target: Arc::clone(&guarded),
        credential: Arc::clone(credential),
        provider: Arc::clone(&states.provider),
    });
    let open = doors.find(|door| door.look(&ask, &target.resilience.guards, now).is_ok());
    match open {
        None => Readiness::Resting,
        Some(door) if door.opened_by(Level::Target).is_some() => Readiness::Probing,
        Some(_) => Readiness::Ready,
    }
}

/// In which lane the pace of a call is.
pub(super) fn lane(call: &ModelCall) -> Lane {
    if call.stream {
        Lane::Stream
    } else {
        Lane::Whole
    }
}

/// Whether a conversation stays where its prompt cache is warm.
struct Stay<'a> {
    plan: &'a Plan,
    strategy: Strategy,
    candidates: &'a [Candidate],
    max_loss: NanoUsd,
}

impl Stay<'_> {
    /// Puts the warm target first, or writes down what leaving it costs.
    fn apply(&self, warm: Warm, order: &mut [usize], journal: &mut Journal) {
        let Some(place) = order.iter().position(|one| *one == warm.place) else {
            return;
        };
        let first = order.first().copied().unwrap_or(warm.place);
        let (Some(here), Some(there)) =
            (self.candidates.get(warm.place), self.candidates.get(first))
        else {
            return;
        };
        if place == 0 {
            return;
        }
        let price = match self.plan.legs.get(warm.place) {
            Some(Leg::Model { target, .. }) => target.price,
            _ => None,
        };
        let loss = sticky::loss(price, warm.cached);
        let weighing = Weighing {
            strategy: self.strategy,
            warm: here,
            other: there,
            loss,
            max_loss: self.max_loss,
        };
        if !weighing.moves() {
            if let Some(front) = order.get_mut(..=place) {
                front.rotate_right(1);
            }
            return;
        }
        let label = |place: usize| self.plan.legs.get(place).map(|leg| Arc::clone(leg.label()));
        if let (Some(from), Some(to)) = (label(warm.place), label(first)) {
            journal.add(Event::LeftCache { from, to, loss });
        }
    }
}
