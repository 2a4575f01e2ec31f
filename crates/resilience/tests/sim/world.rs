//! The simulation: upstreams by what they do to a call, callers by how they come, and the attempt loop between them.
//!
//! The loop is the gateway's in short: two tries at one target while another is left, four in all, full jitter, the
//! retry budget; every decision about where a call may go is made by the machines themselves.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use resilience::backoff::Backoff;
use resilience::breaker::Position;
use resilience::choice::{self, Asker, Candidate, Entered};
use resilience::registry::Reading;
use resilience::{Door, Fault, Level, Registry, Settings, Ticket, Weight, Why};
use types::{Clock, ManualClock};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MS: fn(u64) -> Duration = Duration::from_millis;

/// What an upstream does to a call that reaches it.
pub(crate) enum Does {
    /// Answers: first content after the first, the last byte after the second.
    Answer(Duration, Duration),
    /// Fails after this.
    Fail(Duration, Fault),
}

/// What is asked of an upstream.
pub(crate) struct Asked<'a> {
    /// Since the start.
    pub(crate) at: Duration,
    pub(crate) caller: u64,
    pub(crate) random: &'a mut fastrand::Rng,
}

type Upstream = Box<dyn FnMut(&mut Asked<'_>) -> Does>;

/// A caller's traffic.
#[derive(Clone)]
pub(crate) struct Traffic {
    pub(crate) caller: u64,
    pub(crate) every: Duration,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    /// The targets in order.
    pub(crate) legs: Vec<usize>,
    /// After this the client leaves.
    pub(crate) leaves: Option<Duration>,
    /// Its own limit: when it fires, nothing is learned.
    pub(crate) hurry: Option<Duration>,
}

impl Traffic {
    pub(crate) fn new(caller: u64, every: Duration, until: Duration, legs: &[usize]) -> Self {
        Self {
            caller,
            every,
            from: Duration::ZERO,
            until,
            legs: legs.to_vec(),
            leaves: None,
            hurry: None,
        }
    }
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Answered {
        leg: usize,
    },
    Failed,
    /// Refused without an attempt.
    Refused,
    Left,
}

/// A call that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) came: Duration,
    pub(crate) caller: u64,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Arrive(usize),
    Try(usize),
    Begin(usize, u32),
    End(usize, u32),
    Fail(usize, u32),
    Leave(usize),
}

struct Call {
    came: Duration,
    traffic: usize,
    tries: Vec<u32>,
    attempts: u32,
    leg: usize,
    ticket: Option<Box<Ticket>>,
    fault: Option<Fault>,
    paid: bool,
    is_over: bool,
}

pub(crate) struct World {
    pub(crate) clock: ManualClock,
    start: Instant,
    registry: Registry,
    settings: Settings,
    upstreams: Vec<Upstream>,
    traffic: Vec<Traffic>,
    calls: Vec<Call>,
    events: BinaryHeap<Reverse<(Duration, u64, What)>>,
    next_event: u64,
    random: fastrand::Rng,
    /// For each upstream, when each call reached it.
    pub(crate) reached: Vec<Vec<Duration>>,
    pub(crate) ended: Vec<Ended>,
}

impl World {
    pub(crate) fn new(seed: u64, settings: Settings) -> Self {
        let clock = ManualClock::default();
        let start = clock.now();
        Self {
            registry: Registry::new(start),
            start,
            clock,
            settings,
            upstreams: Vec::new(),
            traffic: Vec::new(),
            calls: Vec::new(),
            events: BinaryHeap::new(),
            next_event: 0,
            random: fastrand::Rng::with_seed(seed),
            reached: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// A target of a provider of its own.
    pub(crate) fn upstream(&mut self, does: impl FnMut(&mut Asked<'_>) -> Does + 'static) {
        self.upstreams.push(Box::new(does));
        self.reached.push(Vec::new());
    }

    pub(crate) fn traffic(&mut self, traffic: Traffic) {
        let first = traffic.from;
        self.traffic.push(traffic);
        self.at(first, What::Arrive(self.traffic.len() - 1));
    }

    /// The gateway is restarted: everything it knew is gone, every call under way with it.
    pub(crate) fn restart(&mut self) {
        for call in &mut self.calls {
            call.ticket = None;
            call.is_over = true;
        }
        self.registry = Registry::new(self.clock.now());
    }

    pub(crate) fn run_until(&mut self, end: Duration) {
        while let Some(Reverse((at, _, _))) = self.events.peek()
            && *at <= end
        {
            let Some(Reverse((at, _, what))) = self.events.pop() else {
                break;
            };
            self.go_to(at);
            self.happens(what);
        }
        self.go_to(end);
    }

    pub(crate) fn reading(&self, leg: usize) -> Reading {
        let name = name(leg);
        let readings = self.registry.readings(self.clock.now());
        readings
            .into_iter()
            .find(|one| one.level == Level::Target && one.name == name)
            .expect("the target was asked")
    }

    pub(crate) fn position(&self, leg: usize) -> Position {
        self.reading(leg).position
    }

    pub(crate) fn count(&self, is: impl Fn(&Ended) -> bool) -> usize {
        self.ended.iter().filter(|ended| is(ended)).count()
    }

    fn elapsed(&self) -> Duration {
        self.clock.now() - self.start
    }

    fn go_to(&mut self, at: Duration) {
        let by = at.saturating_sub(self.elapsed());
        self.clock.advance(by);
    }

    fn at(&mut self, at: Duration, what: What) {
        self.next_event += 1;
        self.events.push(Reverse((at, self.next_event, what)));
    }

    fn happens(&mut self, what: What) {
        match what {
            What::Arrive(traffic) => self.arrive(traffic),
            What::Try(call) => self.attempt(call),
            What::Begin(call, attempt) if self.is_current(call, attempt) => {
                let now = self.clock.now();
                if let Some(ticket) = &mut self.calls[call].ticket {
                    ticket.begun(None, now);
                }
            }
            What::End(call, attempt) if self.is_current(call, attempt) => {
                let now = self.clock.now();
                if let Some(ticket) = self.calls[call].ticket.take() {
                    ticket.ended(now);
                }
                self.give_back(call);
                let leg = self.calls[call].leg;
                self.over(call, End::Answered { leg });
            }
            What::Fail(call, attempt) if self.is_current(call, attempt) => self.fail(call),
            What::Leave(call) if !self.calls[call].is_over => {
                self.calls[call].ticket = None;
                self.over(call, End::Left);
            }
            _ => {}
        }
    }

    fn is_current(&self, call: usize, attempt: u32) -> bool {
        !self.calls[call].is_over && self.calls[call].attempts == attempt
    }

    fn arrive(&mut self, index: usize) {
        let traffic = self.traffic[index].clone();
        let came = self.elapsed();
        self.calls.push(Call {
            came,
            traffic: index,
            tries: vec![0; self.upstreams.len()],
            attempts: 0,
            leg: 0,
            ticket: None,
            fault: None,
            paid: false,
            is_over: false,
        });
        let call = self.calls.len() - 1;
        let gone = [traffic.leaves, traffic.hurry].into_iter().flatten().min();
        if let Some(after) = gone {
            self.at(came + after, What::Leave(call));
        }
        self.attempt(call);
        let next = came + traffic.every;
        if next < traffic.until {
            self.at(next, What::Arrive(index));
        }
    }

    fn door(&self, leg: usize) -> Door {
        let provider = self.registry.provider(&name(leg), 0, 0.2);
        Door {
            target: self.registry.target(&name(leg), &provider),
            credential: self.registry.credential(&name(leg), 0),
            provider,
        }
    }

    /// The legs that may still be tried, the last one first unless it is overloaded.
    fn open_legs(&self, call: &Call) -> Vec<usize> {
        let legs = &self.traffic[call.traffic].legs;
        let most = if legs.len() == 1 { 4 } else { 2 };
        let overloaded = call.fault.as_ref().is_some_and(|fault| fault.is_overload);
        let mut left: Vec<usize> = legs
            .iter()
            .copied()
            .filter(|leg| call.tries[*leg] < most)
            .collect();
        let tried = call.attempts > 0;
        left.sort_by_key(|leg| tried && (*leg == call.leg) == overloaded);
        left
    }

    fn attempt(&mut self, index: usize) {
        let now = self.clock.now();
        let at = self.elapsed();
        let call = &self.calls[index];
        if call.is_over {
            return;
        }
        let traffic = &self.traffic[call.traffic];
        let (caller, hurried) = (traffic.caller, traffic.hurry.is_some());
        let mut legs = self.open_legs(call);
        // What this call has visited costs a token.
        let visited = |leg: &usize| call.tries[*leg] > 0;
        let mut paid = false;
        if let Some(first) = legs.first().copied().filter(visited) {
            paid = self.door(first).provider.budget.withdraw(now);
            if !paid {
                legs.retain(|leg| !visited(leg));
            }
        }
        let candidates: Vec<Candidate<'_>> = legs
            .iter()
            .map(|leg| Candidate {
                door: self.door(*leg),
                settings: &self.settings,
            })
            .collect();
        let asker = Asker {
            caller,
            hurried,
            lease: SECOND * 30,
            is_repeat: self.calls[index].attempts > 0,
        };
        let entered = choice::enter_first(|place| candidates.get(place).cloned(), asker, now);
        let Entered { place, ticket, .. } = match entered {
            Ok(entered) => entered,
            Err(denied) => {
                let end = if self.calls[index].attempts > 0 {
                    End::Failed
                } else {
                    assert!(denied.iter().all(|one| one.why != Why::Throttled));
                    End::Refused
                };
                return self.over(index, end);
            }
        };
        drop(candidates);
        let leg = legs[place];
        self.reached[leg].push(at);
        let call = &mut self.calls[index];
        call.paid = paid;
        call.tries[leg] += 1;
        call.attempts += 1;
        call.leg = leg;
        call.ticket = Some(ticket);
        let attempt = call.attempts;
        if call.tries[leg] == 1 {
            self.door(leg).provider.budget.deposit(now);
        }
        let mut asked = Asked {
            at,
            caller,
            random: &mut self.random,
        };
        match self.upstreams[leg](&mut asked) {
            Does::Answer(begins, ends) => {
                self.at(at + begins, What::Begin(index, attempt));
                self.at(at + ends.max(begins), What::End(index, attempt));
            }
            Does::Fail(after, fault) => {
                self.calls[index].fault = Some(fault);
                self.at(at + after, What::Fail(index, attempt));
            }
        }
    }

    fn fail(&mut self, index: usize) {
        let now = self.clock.now();
        let random = self.random.f64();
        let call = &mut self.calls[index];
        let Some(fault) = call.fault.clone() else {
            return;
        };
        if let Some(ticket) = call.ticket.take() {
            ticket.failed(&fault, random, now);
        }
        let (attempts, leg) = (call.attempts, call.leg);
        if std::mem::take(&mut call.paid) {
            self.door(leg).provider.budget.spent();
        }
        if attempts >= 4 || self.open_legs(&self.calls[index]).is_empty() {
            return self.over(index, End::Failed);
        }
        let wait = Backoff::default().same_target(attempts, None, self.random.f64());
        let wait = if self.open_legs(&self.calls[index]).first() == Some(&leg) {
            wait
        } else {
            Duration::ZERO
        };
        let at = self.elapsed() + wait;
        self.at(at, What::Try(index));
    }

    /// A repeat that answers costs nothing.
    fn give_back(&mut self, index: usize) {
        let now = self.clock.now();
        let (paid, leg) = (self.calls[index].paid, self.calls[index].leg);
        if paid {
            self.door(leg).provider.budget.give_back(now);
        }
    }

    fn over(&mut self, index: usize, end: End) {
        let call = &mut self.calls[index];
        call.is_over = true;
        call.ticket = None;
        let (came, traffic) = (call.came, call.traffic);
        self.ended.push(Ended {
            came,
            caller: self.traffic[traffic].caller,
            end,
        });
    }
}

fn name(leg: usize) -> String {
    format!("u{leg}/m")
}

/// An upstream's own failure.
pub(crate) fn broken() -> Fault {
    Fault::of_target("internal_error")
}

/// It has more to do than it can.
pub(crate) fn overloaded() -> Fault {
    Fault {
        is_loss: true,
        is_overload: true,
        ..Fault::of_target("upstream_overloaded")
    }
}

/// A refused rate.
pub(crate) fn rate_limited() -> Fault {
    Fault {
        weight: Weight::Rate,
        is_loss: true,
        is_overload: true,
        ..Fault::of_target("rate_limited")
    }
}

/// A good upstream, as quick as this.
pub(crate) fn healthy(
    first: Duration,
    last: Duration,
) -> impl FnMut(&mut Asked<'_>) -> Does + 'static {
    move |_| Does::Answer(first, last)
}

/// Serves so many at a time, each for so long, and refuses the rest at once.
pub(crate) fn rejecting(
    capacity: usize,
    takes: impl Fn(&mut fastrand::Rng) -> Duration + 'static,
) -> impl FnMut(&mut Asked<'_>) -> Does + 'static {
    rejecting_within(MS(5), capacity, takes)
}

/// The same, but it takes its time to refuse.
pub(crate) fn rejecting_within(
    refuses: Duration,
    capacity: usize,
    takes: impl Fn(&mut fastrand::Rng) -> Duration + 'static,
) -> impl FnMut(&mut Asked<'_>) -> Does + 'static {
    let mut busy: Vec<Duration> = Vec::new();
    move |asked| {
        busy.retain(|until| *until > asked.at);
        if busy.len() >= capacity {
            return Does::Fail(refuses, overloaded());
        }
        let takes = takes(asked.random);
        busy.push(asked.at + takes);
        Does::Answer(takes.min(MS(300)), takes)
    }
}

/// Serves so many at a time and lets the rest wait.
pub(crate) fn queueing(
    servers: usize,
    takes: impl Fn(&mut fastrand::Rng) -> Duration + 'static,
) -> impl FnMut(&mut Asked<'_>) -> Does + 'static {
    let mut free = vec![Duration::ZERO; servers];
    move |asked| {
        let takes = takes(asked.random);
        let first = free.iter_mut().min().expect("a server");
        let begins = (*first).max(asked.at);
        *first = begins + takes;
        Does::Answer(begins + MS(100) - asked.at, begins + takes - asked.at)
    }
}

/// A handle that tests share with an upstream.
pub(crate) type Dial<T> = Arc<parking_lot::Mutex<T>>;
