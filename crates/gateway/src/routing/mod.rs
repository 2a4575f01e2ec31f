//! Where a call may go: the ordered targets, and how long it may take.

mod choice;
mod closed;
mod sticky;
mod visit;

use std::sync::Arc;
use std::time::Duration;

use config::{Hold, Resilience, Resolved, Route, Target};
use diagnosis::Code;
use types::Deadline;

use crate::boxed;
use crate::gate::Shared;
use crate::hosts::Host;
use crate::intake::{Call, HttpCall, ModelCall};
use crate::journal::{Bounds, Event, Journal};
use crate::keyring::Caller;
use crate::lanes;
use crate::policy::{Policy, ReadyProvider, ReadyUpstream};
use crate::refusal::{self, Refusal};

pub use closed::Drained;
pub use sticky::{Conversations, Turn};
pub use visit::Visit;

/// The ordered targets of one call, and what holds for all of them.
#[derive(Debug)]
pub struct Plan {
    /// The name by which the caller asked.
    pub asked: Arc<str>,
    /// In order of preference; never empty.
    pub legs: Vec<Leg>,
    /// Attempts, timers and the rest, as the narrowest level of the configuration has them.
    pub resilience: Arc<Resilience>,
    /// When the whole call ends.
    pub deadline: Deadline,
    /// Whether the caller's own limit made the deadline.
    pub deadline_is_callers: bool,
    /// When a stream must have begun because its client reads no longer; content lifts it.
    pub begin_by: Option<Deadline>,
    /// How long a stream is silent at most before its client gets a sign of life.
    pub ping_after: Duration,
    /// The line on which the name is written, for the fix.
    pub line: Option<usize>,
    /// What tells the caller from others, to breakers.
    pub caller: u64,
    /// The caller's place among others, where a target has no room for all.
    pub rank: limits::queue::Caller,
    /// The conversation of which the call is a turn, where the alias keeps conversations together.
    pub turn: Option<Turn>,
}

/// One target of a plan.
#[derive(Clone, Debug)]
pub enum Leg {
    /// A model at a provider.
    Model {
        /// The target.
        target: Arc<Target>,
        /// Its provider, ready.
        ready: Arc<ReadyProvider>,
    },
    /// An upstream of a plain route.
    Http {
        /// Its label: scheme, host and port.
        label: Arc<str>,
        /// It, ready.
        ready: Arc<ReadyUpstream>,
        /// The path and query to ask for.
        path: Arc<str>,
    },
}

impl Plan {
    /// When there must be an answer, or at least the beginning of one.
    #[must_use]
    pub fn answer_by(&self) -> Deadline {
        self.begin_by
            .map_or(self.deadline, |begin_by| begin_by.min(self.deadline))
    }

    /// Whether it is the caller who is in a hurry.
    #[must_use]
    pub fn is_callers_hurry(&self) -> bool {
        self.deadline_is_callers
            || self
                .begin_by
                .is_some_and(|begin_by| begin_by < self.deadline)
    }
}

impl Leg {
    /// `provider/model`, or the upstream's address.
    #[must_use]
    pub fn label(&self) -> &Arc<str> {
        match self {
            Self::Model { target, .. } => &target.label,
            Self::Http { label, .. } => label,
        }
    }

    /// Whether a script inside the gateway would answer.
    #[must_use]
    pub fn is_demo(&self) -> bool {
        matches!(self, Self::Model { target, .. } if target.provider.kind.place == provider::Place::Inside)
    }

    /// The host that it is at.
    #[must_use]
    pub fn host(&self) -> &Arc<Host> {
        match self {
            Self::Model { ready, .. } => &ready.host,
            Self::Http { ready, .. } => &ready.host,
        }
    }

    /// What retry budgets are kept by: the provider, or the upstream itself.
    #[must_use]
    pub fn provider_label(&self) -> &str {
        match self {
            // Each scripted model plays a provider of its own: a dead one must not use up what the others may repeat.
            Self::Model { target, .. } if self.is_demo() => &target.label,
            Self::Model { target, .. } => target.provider.id.as_str(),
            Self::Http { label, .. } => label,
        }
    }
}

/// Plans a call.
///
/// # Errors
/// No such model, or one that the key may not use; every target is out of use.
pub fn plan(
    shared: &Shared,
    policy: &Policy,
    caller: &Caller,
    call: &Call,
    journal: &mut Journal,
) -> Result<Box<Plan>, Refusal> {
    let plan = match call {
        Call::Model(call) => {
            let (mut plan, alias) = model_plan(policy, caller, call, journal)?;
            plan.caller = caller.mark();
            plan.rank = caller.rank();
            closed::keep_in_use(shared, policy, &mut plan, journal)?;
            choice::arrange(shared, &alias, call, &mut plan, journal);
            plan
        }
        Call::Http(call) => {
            let mut plan = http_plan(policy, call, journal)?;
            plan.caller = caller.mark();
            plan.rank = caller.rank();
            closed::keep_in_use(shared, policy, &mut plan, journal)?;
            plan
        }
    };
    if plan.legs.iter().all(Leg::is_demo) {
        journal.add(Event::Demo);
    }
    journal.add(Event::Planned(Box::new(Bounds {
        targets: plan
            .legs
            .iter()
            .map(|leg| Arc::clone(leg.label()))
            .collect(),
        config_version: policy.snapshot.version,
        max_attempts: plan.resilience.max_attempts,
        total: plan.deadline.left(journal.started()),
        total_is_callers: plan.deadline_is_callers,
        hold: matches!(call, Call::Model(call) if call.stream).then(|| {
            match plan.resilience.hold {
                Hold::FirstContent => "first_content",
                Hold::Whole => "whole",
            }
        }),
    })));
    Ok(plan)
}

fn model_plan(
    policy: &Policy,
    caller: &Caller,
    call: &ModelCall,
    journal: &Journal,
) -> Result<(Box<Plan>, Resolved), Refusal> {
    let resolved = policy.snapshot.resolve(&call.model).map_err(|unresolved| {
        refusal::unknown_model(&call.model, &unresolved.near, &unresolved.candidates)
    })?;
    if !caller.may_use(&call.model) {
        let allowed = caller.models.as_deref().unwrap_or_default();
        let message = format!("The key '{}' may not use '{}'.", caller.key, call.model);
        return Err(
            Refusal::new(Code::ModelNotAllowed, message).with_fix(format!(
                "Use one of {}, or ask the key's owner.",
                refusal::listed(allowed)
            )),
        );
    }
    let legs: Vec<_> = resolved
        .targets
        .iter()
        .filter_map(|target| {
            let ready = policy.provider(&target.provider.id)?;
            Some(Leg::Model {
                target: Arc::clone(target),
                ready: Arc::clone(ready),
            })
        })
        .collect();
    if legs.is_empty() {
        return Err(Refusal::new(
            Code::NoTargetAvailable,
            format!("'{}' has no target.", call.model),
        ));
    }
    let mut resilience = Arc::clone(&resolved.resilience);
    // The narrowest wins: the model, the key, the call.
    if let Some(hold) = caller.hold {
        Arc::make_mut(&mut resilience).hold = hold;
    }
    if call.terms.wishes.hold_whole {
        Arc::make_mut(&mut resilience).hold = Hold::Whole;
    }
    let fallback = if call.stream {
        Duration::from_secs(600)
    } else {
        Duration::from_secs(300)
    };
    let total = resilience.timeout.total.unwrap_or(fallback);
    // A client that does not stream waits for the first byte as long as for the whole.
    let waits = call.terms.patience.between_bytes;
    let (patience, begins) = if call.stream {
        (None, waits)
    } else {
        (waits, None)
    };
    let plan = finish(
        journal,
        call.terms.wishes.max_attempts,
        patience,
        PlanParts {
            asked: Arc::clone(&call.model),
            legs,
            resilience,
            total,
            client_deadline: call.terms.client_deadline,
            begins,
            line: resolved.line,
        },
    );
    Ok((plan, resolved))
}

fn http_plan(policy: &Policy, call: &HttpCall, journal: &Journal) -> Result<Box<Plan>, Refusal> {
    let route: &Route = &call.route;
    let ready = |place: usize| {
        let upstream = route.upstreams.get(place)?;
        Some((upstream, policy.upstream(&route.name, &upstream.label)?))
    };
    let order = lanes::order(route, |place| Some(&**ready(place)?.1), fastrand::f64);
    let legs: Vec<_> = order
        .into_iter()
        .filter_map(|place| {
            let (upstream, ready) = ready(place)?;
            let path = route.upstream_path(upstream, &call.path_and_query);
            Some(Leg::Http {
                label: Arc::clone(&upstream.label),
                ready: Arc::clone(ready),
                path: Arc::from(path),
            })
        })
        .collect();
    if legs.is_empty() {
        return Err(Refusal::new(
            Code::NoTargetAvailable,
            format!("The route '{}' has no upstream.", route.name),
        ));
    }
    let resilience = Arc::clone(&route.resilience);
    let total = resilience.timeout.total.unwrap_or(Duration::from_secs(300));
    Ok(finish(
        journal,
        call.terms.wishes.max_attempts,
        None,
        PlanParts {
            asked: Arc::clone(&route.name),
            legs,
            resilience,
            total,
            client_deadline: call.terms.client_deadline,
            begins: None,
            line: route.line,
        },
    ))
}

/// Balancers in front cut a line that is silent for 30 to 60 s; a client that waits less between two bytes gets a sign of
/// life in half of that.
fn ping_after(patience: Option<Duration>) -> Duration {
    const USUAL: Duration = Duration::from_secs(10);
    const SHORTEST: Duration = Duration::from_millis(100);
    patience.map_or(USUAL, |patience| (patience / 2).clamp(SHORTEST, USUAL))
}

struct PlanParts {
    asked: Arc<str>,
    legs: Vec<Leg>,
    resilience: Arc<Resilience>,
    total: Duration,
    client_deadline: Option<Deadline>,
    begins: Option<Duration>,
    line: Option<usize>,
}

fn finish(
    journal: &Journal,
    wished: Option<u32>,
    patience: Option<Duration>,
    parts: PlanParts,
) -> Box<Plan> {
    let mut resilience = parts.resilience;
    if let Some(wished) = wished {
        let resilience = Arc::make_mut(&mut resilience);
        resilience.max_attempts = resilience.max_attempts.min(wished);
    }
    let begin_by = parts
        .begins
        .map(|begins| Deadline::after(journal.started(), begins));
    let ours = Deadline::after(journal.started(), parts.total);
    let waited = patience.map(|patience| Deadline::after(journal.started(), patience));
    let callers = [parts.client_deadline, waited].into_iter().flatten().min();
    let deadline = callers.map_or(ours, |callers| callers.min(ours));
    boxed::made(|| Plan {
        asked: parts.asked,
        legs: parts.legs,
        resilience,
        deadline,
        deadline_is_callers: deadline != ours,
        begin_by,
        ping_after: ping_after(parts.begins),
        line: parts.line,
        caller: 0,
        rank: limits::queue::Caller::default(),
        turn: None,
    })
}
