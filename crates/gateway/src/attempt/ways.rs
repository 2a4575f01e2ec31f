//! The ways from a call to its targets: which states guard each, with which key, and who may go now.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use resilience::breaker::{Alternative, Ask};
use resilience::choice::{self, Asker, Candidate, Entered};
use resilience::outlier;
use resilience::registry::Registry;
use resilience::state::{CredentialState, ProviderState, TargetState};
use resilience::{Denied, Door, Level, Mode, Settings, Ticket, Why};

use crate::intake::Call;
use crate::journal::Skip;
use crate::routing::{Leg, Plan};

/// The scripted models are there to fail as often as one looks: nothing guards them.
const UNGUARDED: Settings = Settings::OFF;

/// The states of one target of the plan.
#[derive(Debug)]
struct Way<'a> {
    provider: Cow<'a, Arc<ProviderState>>,
    target: Arc<TargetState>,
    credentials: Cow<'a, [Arc<CredentialState>]>,
}

/// The ways of one call. States are looked up when they are first needed.
#[derive(Debug)]
pub(super) struct Ways<'a> {
    registry: &'a Registry,
    plan: &'a Plan,
    asker: Asker,
    ways: Vec<OnceCell<Way<'a>>>,
}

/// A call that goes.
#[derive(Debug)]
pub(super) struct Going {
    pub(super) leg: usize,
    pub(super) credential: usize,
    pub(super) ticket: Box<Ticket>,
    /// Whom it passes over.
    pub(super) passed_over: Vec<Skip>,
}

/// A call that may go nowhere now.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) denied: Vec<Denied>,
    pub(super) skips: Vec<Skip>,
}

impl Closed {
    /// The first target of the plan that has as many calls as it can take.
    pub(super) fn full_leg(&self, plan: &Plan) -> Option<usize> {
        let (_, skip) = self
            .denied
            .iter()
            .zip(&self.skips)
            .find(|(denied, _)| denied.why == Why::Full)?;
        plan.legs.iter().position(|leg| *leg.label() == skip.target)
    }
}

impl<'a> Ways<'a> {
    pub(super) fn new(registry: &'a Registry, plan: &'a Plan, call: &Call, now: Instant) -> Self {
        let lease = plan
            .resilience
            .timeout
            .first_token
            .unwrap_or_else(|| usual_first_token(call));
        let hurried = plan.is_callers_hurry() && plan.answer_by().left(now) < lease;
        Self {
            registry,
            plan,
            asker: Asker {
                caller: plan.caller,
                hurried,
                lease,
                is_repeat: false,
            },
            ways: plan.legs.iter().map(|_| OnceCell::new()).collect(),
        }
    }

    /// Lets the call go to the first of these that takes it, with the key that `key` names for each.
    pub(super) fn enter(
        &self,
        legs: &[usize],
        key: impl Fn(usize) -> usize,
        repeats: bool,
        now: Instant,
    ) -> Result<Going, Closed> {
        let candidate = |place: usize| {
            let leg = *legs.get(place)?;
            Some(Candidate {
                door: self.door(leg, key(leg))?,
                settings: self.settings(leg),
            })
        };
        let asker = Asker {
            is_repeat: repeats,
            ..self.asker
        };
        let skips = |denied: &[Denied]| {
            let of = |(leg, denied): (&usize, &Denied)| self.skip(*leg, key(*leg), *denied, now);
            legs.iter().zip(denied).filter_map(of).collect()
        };
        match choice::enter_first(candidate, asker, now) {
            Ok(Entered {
                place,
                ticket,
                passed_over,
            }) => {
                let leg = legs.get(place).copied().unwrap_or(0);
                Ok(Going {
                    leg,
                    credential: key(leg),
                    ticket,
                    passed_over: skips(&passed_over),
                })
            }
            Err(denied) => Err(Closed {
                skips: skips(&denied),
                denied,
            }),
        }
    }

    /// Whether the target takes a call that could go elsewhere.
    pub(super) fn is_open(&self, leg: usize, credential: usize, now: Instant) -> bool {
        let ask = self.ask();
        self.door(leg, credential)
            .is_some_and(|door| door.look(&ask, self.settings(leg), now).is_ok())
    }

    /// Whether the same target may be tried again: not where a breaker is open to this call.
    pub(super) fn lets_repeat(
        &self,
        (leg, credential): (usize, usize),
        alternative: Alternative,
        now: Instant,
    ) -> bool {
        let ask = self.asker.ask(alternative);
        let is_closed = |door: Door| match door.look(&ask, self.settings(leg), now) {
            Err(denied) => !matches!(denied.why, Why::Open(_)),
            Ok(()) => true,
        };
        self.door(leg, credential).is_some_and(is_closed)
    }

    /// The key to use there: the first that was not refused in this call and takes calls, else the first that was not
    /// refused.
    pub(super) fn credential(&self, leg: usize, refused: &[usize], now: Instant) -> Option<usize> {
        let way = self.way(leg)?;
        let ask = self.ask();
        let settings = self.settings(leg);
        let left = || (0..way.credentials.len()).filter(|index| !refused.contains(index));
        let takes = |index: &usize| {
            way.credentials.get(*index).is_some_and(|key| {
                key.takes(&ask, settings, now) && !way.target.bars(key.mark(), now)
            })
        };
        left().find(takes).or_else(|| left().next())
    }

    /// How many calls run at a target, and how many may.
    pub(super) fn room(&self, leg: usize, now: Instant) -> (u32, Option<u32>) {
        let Some(way) = self.way(leg) else {
            return (0, None);
        };
        let most = way.target.most(self.settings(leg), now);
        (way.target.in_flight(), most)
    }

    /// Whether that key takes calls now.
    pub(super) fn takes(&self, leg: usize, credential: usize, now: Instant) -> bool {
        let key = self
            .way(leg)
            .and_then(|way| way.credentials.get(credential));
        key.is_some_and(|key| key.takes(&self.ask(), self.settings(leg), now))
    }

    pub(super) fn provider(&self, leg: usize) -> Option<&Arc<ProviderState>> {
        Some(&self.way(leg)?.provider)
    }

    /// A repeat there used up its token.
    pub(super) fn repeated(&self, leg: usize) {
        if let Some(way) = self.way(leg) {
            way.target.repeated();
        }
    }

    /// Someone who answered has a state of its own from now on.
    pub(super) fn has_answered(&self, leg: usize) {
        if let Some(Leg::Model { target, .. }) = self.plan.legs.get(leg)
            && !target.is_named
            && let Some(way) = self.way(leg)
        {
            let _own = self.registry.target(&target.label, &way.provider);
        }
    }

    /// The plan's order, in which targets that answer far worse than their siblings stand last where that loop acts.
    pub(super) fn order(&self, now: Instant) -> Cow<'static, [usize]> {
        const FEW: [usize; outlier::LEAST_TARGETS] = [0, 1, 2, 3, 4];
        let count = self.plan.legs.len();
        if let Some(few) = FEW.get(..count).filter(|_| count < outlier::LEAST_TARGETS) {
            return Cow::Borrowed(few);
        }
        let mut order: Vec<usize> = (0..count).collect();
        let mode = self.settings(0).outlier_ejection;
        if mode == Mode::Off {
            return Cow::Owned(order);
        }
        let counts: Vec<(u32, u32)> = order
            .iter()
            .map(|leg| self.way(*leg).map_or((0, 0), |way| way.target.recent(now)))
            .collect();
        let outliers = outlier::outliers(&counts);
        if let Some(first) = order.first()
            && outliers.contains(first)
            && let Some(way) = self.way(*first)
        {
            way.target.is_outlier();
        }
        if mode == Mode::Act {
            order.sort_by_key(|leg| outliers.contains(leg));
        }
        Cow::Owned(order)
    }

    fn ask(&self) -> Ask {
        self.asker.ask(Alternative::Elsewhere)
    }

    pub(super) fn settings(&self, leg: usize) -> &'a Settings {
        match self.plan.legs.get(leg) {
            Some(leg) if leg.is_demo() => &UNGUARDED,
            Some(Leg::Model { target, .. }) => &target.resilience.guards,
            Some(Leg::Http { .. }) | None => &self.plan.resilience.guards,
        }
    }

    fn door(&self, leg: usize, credential: usize) -> Option<Door> {
        let way = self.way(leg)?;
        Some(Door {
            target: Arc::clone(&way.target),
            credential: Arc::clone(way.credentials.get(credential)?),
            provider: Arc::clone(&way.provider),
        })
    }

    fn way(&self, leg: usize) -> Option<&Way<'a>> {
        let plan_leg = self.plan.legs.get(leg)?;
        Some(self.ways.get(leg)?.get_or_init(|| self.find(plan_leg)))
    }

    fn find(&self, leg: &'a Leg) -> Way<'a> {
        let ratio = self.plan.resilience.retry_budget;
        let label = leg.label();
        let (provider, credentials) = match leg {
            // Each scripted model is a provider of its own, with a key of its own.
            Leg::Model { .. } if leg.is_demo() => {
                let provider = self.registry.provider(label, 0, ratio);
                let key = self.registry.credential(label, 0);
                (Cow::Owned(provider), Cow::Owned(vec![key]))
            }
            Leg::Model { ready, .. } => {
                let states = ready.states(self.registry, ratio);
                (
                    Cow::Borrowed(&states.provider),
                    Cow::Borrowed(states.credentials.as_slice()),
                )
            }
            Leg::Http { ready, label, .. } => {
                let states = ready.states(self.registry, label, ratio);
                (
                    Cow::Borrowed(&states.provider),
                    Cow::Borrowed(states.credentials.as_slice()),
                )
            }
        };
        provider.budget.set_ratio(ratio);
        let is_named = match leg {
            Leg::Model { target, .. } => target.is_named,
            Leg::Http { .. } => true,
        };
        let target = if is_named {
            self.registry.target(label, &provider)
        } else {
            self.registry.target_if_known(label, &provider)
        };
        Way {
            provider,
            target,
            credentials,
        }
    }

    fn skip(&self, leg: usize, credential: usize, denied: Denied, now: Instant) -> Option<Skip> {
        let why = match denied.why {
            Why::Resting(Level::Credential) => "rate_limited",
            Why::Resting(_) => "resting",
            Why::Open(Level::Credential) => "key_disabled",
            Why::Open(_) => "circuit_open",
            Why::Full => "concurrency_limit",
            Why::Throttled => "throttled",
        };
        let label = self.plan.legs.get(leg)?.label();
        let door = self.door(leg, credential)?;
        let opened = match denied.why {
            Why::Open(level) => door.opened_by(level).map(|opened| (level, opened)),
            _ => None,
        };
        Some(Skip {
            target: Arc::clone(label),
            why,
            opened_by: opened.map(|(level, opened)| {
                Box::new(crate::journal::OpenedBy {
                    level: level.as_str(),
                    cause: opened.cause,
                    since: now.saturating_duration_since(opened.since),
                    next_probe: denied
                        .until
                        .map(|until| until.saturating_duration_since(now)),
                    excerpt: opened.excerpt,
                })
            }),
        })
    }
}

/// How long a first token may take where the configuration does not say. Source: failures, table of timers.
pub(super) fn usual_first_token(call: &Call) -> Duration {
    let reasoning = matches!(call, Call::Model(call) if call.reasoning);
    Duration::from_secs(if reasoning { 60 } else { 30 })
}
