//! The way of one attempt past the machines: what it asks before it goes, what it holds, and what it teaches at its end.
//!
//! **Invariant:** a [`Ticket`] gives back all it holds however it ends: dropped, it teaches nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::breaker::{Alternative, Ask, Change, Failed, OpenedBy, Pass};
use crate::lesson::{Fault, Level, Weight};
use crate::settings::{Mode, Settings};
use crate::state::{Closed, CredentialState, Place, ProviderState, TargetState};

/// Where an attempt wants to go.
#[derive(Clone, Debug)]
pub struct Door {
    /// The target.
    pub target: Arc<TargetState>,
    /// The key that it would use.
    pub credential: Arc<CredentialState>,
    /// The target's provider.
    pub provider: Arc<ProviderState>,
}

/// Why an attempt may not go there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// This rests, as the upstream asked.
    Resting(Level),
    /// The breaker of this is open.
    Open(Level),
    /// The target has as many calls as it may have.
    Full,
    /// The provider would most likely refuse it.
    Throttled,
}

/// An attempt that may not go there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Why.
    pub why: Why,
    /// When to ask again, where that is known.
    pub until: Option<Instant>,
}

impl Denied {
    fn new(why: Why, until: Instant) -> Self {
        Self {
            why,
            until: Some(until),
        }
    }

    fn of_target(closed: Closed) -> Self {
        match closed {
            Closed::Open(until) => Self::new(Why::Open(Level::Target), until),
            Closed::Full => Self {
                why: Why::Full,
                until: None,
            },
        }
    }
}

impl Door {
    /// Whether an attempt may go. Nothing is taken by asking.
    ///
    /// # Errors
    /// Why not.
    pub fn look(&self, ask: &Ask, settings: &Settings, now: Instant) -> Result<(), Denied> {
        self.is_awake(now)?;
        if settings.breaker.mode == Mode::Act {
            let closed = |level| move |until| Denied::new(Why::Open(level), until);
            let provider = self.provider.breaker.refuses(ask, now);
            provider.map_or(Ok(()), |until| Err(closed(Level::Provider)(until)))?;
            let key = self.credential.breaker.refuses(ask, now);
            key.map_or(Ok(()), |until| Err(closed(Level::Credential)(until)))?;
        }
        self.target
            .look(ask, settings, now)
            .map_err(Denied::of_target)
    }

    /// Lets an attempt go.
    ///
    /// # Errors
    /// Why not.
    pub fn enter(
        self,
        ask: &Ask,
        settings: &Settings,
        now: Instant,
    ) -> Result<Box<Ticket>, Denied> {
        self.is_awake(now)?;
        let place = self.target.enter(ask, settings, now).map_err(|closed| {
            self.refund(closed, ask, now);
            Denied::of_target(closed)
        })?;
        // Made in its box, since it is large: `Box::new` would copy it there.
        let held = Box::new_uninit();
        // From here on the ticket gives back what it holds.
        let ticket = Ticket {
            door: self,
            caller: ask.caller,
            settings: *settings,
            place: Some(place),
            credential: None,
            provider: None,
        };
        let mut ticket = Box::write(held, ticket);
        if ticket.door.provider.throttles(settings.local_throttle, now) {
            return Err(Denied {
                why: Why::Throttled,
                until: None,
            });
        }
        match (settings.breaker.mode, ticket.pass_certain(ask, now)) {
            (Mode::Act, Err(denied)) => Err(denied),
            _ => Ok(ticket),
        }
    }

    /// Why the breaker at this level is not closed.
    #[must_use]
    pub fn opened_by(&self, level: Level) -> Option<OpenedBy> {
        match level {
            Level::Provider => self.provider.breaker.opened_by(),
            Level::Credential => self.credential.breaker.opened_by(),
            Level::Target => self
                .target
                .read(|breaker, _, _| breaker.opened_by().cloned()),
        }
    }

    /// A dead target's repeats must not use up those of its provider's other targets.
    fn refund(&self, closed: Closed, ask: &Ask, now: Instant) {
        if matches!(closed, Closed::Open(_)) && ask.alternative != Alternative::Elsewhere {
            let tokens = self.target.take_repeats();
            if tokens > 0 {
                self.provider.budget.refund(tokens, now);
            }
        }
    }

    fn is_awake(&self, now: Instant) -> Result<(), Denied> {
        let resting = |level| move |until| Denied::new(Why::Resting(level), until);
        let target = self.target.cooldown.until(now);
        target.map_or(Ok(()), |until| Err(resting(Level::Target)(until)))?;
        let key = self.credential.cooldown.until(now);
        key.map_or(Ok(()), |until| Err(resting(Level::Credential)(until)))
    }
}

/// What an attempt holds: its place among those in flight, and the place of a probe where it is one. It is large and goes
/// through many hands: in a box.
#[derive(Debug)]
pub struct Ticket {
    door: Door,
    caller: u64,
    settings: Settings,
    /// None once it has ended.
    place: Option<Place>,
    credential: Option<Pass>,
    provider: Option<Pass>,
}

impl Ticket {
    /// Where it goes.
    #[must_use]
    pub fn target(&self) -> &Arc<TargetState> {
        &self.door.target
    }

    /// The answer has begun and is good so far; with how long its first token took and the size of the prompt in bytes,
    /// where it streams.
    pub fn begun(&mut self, first_token: Option<(Duration, u64)>, now: Instant) {
        let Some(place) = &mut self.place else { return };
        let target = &self.door.target;
        let change = target.begun(place, self.caller, first_token, &self.settings, now);
        self.answered(change, now);
    }

    /// The answer was good to its last byte.
    pub fn ended(mut self: Box<Self>, now: Instant) {
        let Some(mut place) = self.place.take() else {
            return;
        };
        let is_new = !place.pass.has_begun();
        let change = self.door.target.ended(&mut place, self.caller, now);
        if is_new {
            self.answered(change, now);
        }
    }

    /// The attempt failed, or its answer broke off. `random` is between 0 and 1.
    pub fn failed(mut self: Box<Self>, fault: &Fault, random: f64, now: Instant) {
        let Some(mut place) = self.place.take() else {
            return;
        };
        let call = Failed {
            caller: self.caller,
            fault,
            random,
        };
        self.rest(fault, random, now);
        let (target, provider) = (&self.door.target, &self.door.provider);
        let breaker = &self.settings.breaker;
        match target.failed(&mut place, &call, &self.settings, now) {
            Some(Change::Opened) if fault.weight != Weight::OpensFlat => {
                provider.target_opened(self.mark(), &call, breaker, now);
            }
            _ => {}
        }
        provider.failed(fault, now);
        self.teach_credential(&call, now);
        self.teach_provider(&call, now);
    }

    fn answered(&mut self, change: Option<Change>, now: Instant) {
        let Door {
            credential,
            provider,
            ..
        } = &self.door;
        provider.answered(now);
        if change == Some(Change::Closed) {
            provider.target_closed(self.mark());
        }
        provider
            .breaker
            .answered(&mut self.provider, self.caller, now);
        credential
            .breaker
            .answered(&mut self.credential, self.caller, now);
    }

    fn rest(&self, fault: &Fault, random: f64, now: Instant) {
        let Some(hint) = fault.hint else { return };
        match fault.rests {
            Some(Level::Credential) => self.door.credential.cooldown.rest_for(hint, now, random),
            Some(Level::Target) => self.door.target.cooldown.rest_for(hint, now, random),
            Some(Level::Provider) | None => {}
        }
    }

    fn teach_credential(&mut self, call: &Failed<'_>, now: Instant) {
        let breaker = &self.door.credential.breaker;
        match (call.fault.level, call.fault.weight) {
            (Level::Credential, Weight::Full) => {
                // Not the key itself is refused, but the key here.
                let mark = self.door.credential.mark;
                self.door.target.bar(mark, now);
                breaker.settle(&mut self.credential);
            }
            (Level::Credential, _) => {
                breaker.failed(&mut self.credential, call, &self.settings.breaker, now);
            }
            (Level::Target | Level::Provider, _) => breaker.settle(&mut self.credential),
        }
    }

    fn teach_provider(&mut self, call: &Failed<'_>, now: Instant) {
        let breaker = &self.door.provider.breaker;
        let reached = breaker.read(crate::breaker::Breaker::is_flat);
        match call.fault.level {
            Level::Provider => {
                breaker.failed(&mut self.provider, call, &self.settings.breaker, now);
            }
            // It failed, but it is there again: what had closed the provider is mended.
            Level::Target | Level::Credential if reached => {
                breaker.answered(&mut self.provider, self.caller, now);
            }
            Level::Target if self.provider.is_some() => {
                breaker.failed(&mut self.provider, call, &self.settings.breaker, now);
            }
            Level::Target | Level::Credential => breaker.settle(&mut self.provider),
        }
    }

    /// Asks the breakers of provider and key.
    fn pass_certain(&mut self, ask: &Ask, now: Instant) -> Result<(), Denied> {
        let open = |level| move |until| Denied::new(Why::Open(level), until);
        let provider = self.door.provider.breaker.enter(ask, now);
        self.provider = provider.map_err(open(Level::Provider))?;
        let credential = self.door.credential.breaker.enter(ask, now);
        self.credential = credential.map_err(open(Level::Credential))?;
        Ok(())
    }

    /// What tells the target from others of its provider.
    fn mark(&self) -> u64 {
        Arc::as_ptr(&self.door.target).addr() as u64
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(mut place) = self.place.take() {
            self.door.target.settle(&mut place);
        }
        self.door.provider.breaker.settle(&mut self.provider);
        self.door.credential.breaker.settle(&mut self.credential);
    }
}
