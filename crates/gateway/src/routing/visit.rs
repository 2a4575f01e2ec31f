//! A call at the target that its plan chose: what is learnt from it of load, speed and warm caches.

use std::sync::Arc;
use std::time::Instant;

use provider::catalog::Price;
use resilience::balance::{Lane, Running};
use types::TokenUsage;

use super::sticky::Turn;
use super::{Leg, Plan, choice};
use crate::attempt::line::Place;
use crate::gate::Shared;
use crate::intake::Call;

/// One attempt's visit. Dropped, it ends; that says nothing of the target.
#[derive(Debug)]
pub struct Visit {
    running: Option<Running>,
    turn: Option<Turn>,
    /// The place that it waited for.
    _place: Option<Place>,
    target: Arc<str>,
}

impl Visit {
    /// A visit that begins, where anything is to be learnt from it.
    pub(crate) fn begin(
        shared: &Shared,
        plan: &Plan,
        call: &Call,
        leg: &Leg,
        place: Option<Place>,
        now: Instant,
    ) -> Option<Self> {
        let lane = match call {
            Call::Model(call) => choice::lane(call),
            Call::Http(_) => Lane::Whole,
        };
        let running = shared.loads.begin(leg.label(), lane, now);
        let turn = plan.turn.clone();
        (running.is_some() || turn.is_some() || place.is_some()).then(|| Self {
            running,
            turn,
            _place: place,
            target: Arc::clone(leg.label()),
        })
    }

    /// The answer began at this moment.
    pub(crate) fn began(&mut self, at: Instant) {
        if let Some(running) = &mut self.running {
            running.answered(at);
        }
    }

    /// The target failed.
    pub(crate) fn failed(mut self, now: Instant) {
        if let Some(running) = &mut self.running {
            running.failed(now);
        }
    }

    /// The answer came to its end.
    pub(crate) fn answered(self, price: Option<Price>, usage: &TokenUsage, now: Instant) {
        if let Some(turn) = &self.turn {
            turn.answered(&self.target, price, usage, now);
        }
    }
}
