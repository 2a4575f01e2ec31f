//! One scrape: the workers' numbers added up, and what is read only now.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use resilience::Level;
use resilience::breaker::Position;
use resilience::registry::Reading;
use store::WriteBehind;
use types::Priority;

use super::Metrics;
use super::families::{self as f, Family};
use super::process::Process;
use super::set::{Ending, Set};
use super::text::{Format, Text};
use crate::gate::Shared;
use crate::journal::Outcome;
use crate::journal::access_log::AccessLog;
use crate::journal::in_flight::{CallPhase, InFlight};
use crate::journal::incidents::Tally;
use crate::journal::traces::Fates;
use crate::serve::drain::Stage;

/// What is read of one worker.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Its numbers.
    pub metrics: Metrics,
    /// Its running calls.
    pub in_flight: InFlight,
    /// Its client and pool.
    pub client: upstream::Client,
}

/// What a scrape reads. It blocks for as long as it takes to add up some thousand numbers: not for a worker's loop.
#[derive(Clone, Debug)]
pub struct Scraper {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// The workers.
    pub workers: Vec<Worker>,
    /// The access log, where there is one.
    pub access_log: Option<AccessLog>,
    /// The store's queue, where there is one.
    pub rows: Option<WriteBehind>,
    /// How many incidents there are.
    pub incidents: Tally,
    /// What became of spans, where they are sent.
    pub spans: Option<Arc<Fates>>,
    /// Clients' connections.
    pub connections: Arc<AtomicUsize>,
}

impl Scraper {
    /// The text of all metrics.
    #[must_use]
    pub fn scrape(&self, format: Format) -> String {
        let mut sum = Set::default();
        for worker in &self.workers {
            worker.metrics.add_to(&mut sum);
        }
        let mut text = Text::new(format);
        calls(&mut text, &sum);
        attempts(&mut text, &sum);
        models(&mut text, &sum);
        self.upstreams(&mut text, &sum);
        self.machine(&mut text);
        process(&mut text);
        text.finish()
    }

    fn upstreams(&self, text: &mut Text, sum: &Set) {
        let now = self.shared.clock.now();
        let readings = self.shared.registry.readings(now);
        let rest = |reading: &Reading| {
            reading
                .cooldown_until
                .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
        };
        let mut samples = text.family(&f::BREAKER_STATE);
        for reading in &readings {
            let state: u64 = match reading.position {
                _ if !rest(reading).is_zero() => 2,
                Position::Open => 2,
                Position::HalfOpen => 1,
                Position::Closed | Position::Ramping => 0,
            };
            samples.value(&[&reading.name, reading.level.as_str()], state);
        }
        let mut samples = text.family(&f::CONCURRENCY_LIMIT);
        for reading in &readings {
            if let Some(limit) = reading.limit {
                samples.value(&[&reading.name], u64::from(limit));
            }
        }
        let targets = || readings.iter().filter(|one| one.level == Level::Target);
        let mut samples = text.family(&f::TARGET_INFLIGHT);
        for reading in targets() {
            samples.value(&[&reading.name], u64::from(reading.in_flight));
        }
        let mut samples = text.family(&f::SHADOW);
        for reading in &readings {
            for (which, count) in reading.shadow.counts() {
                if count > 0 {
                    samples.value(&[&reading.name, reading.level.as_str(), which], count);
                }
            }
        }
        let mut samples = text.family(&f::COOLDOWN);
        for reading in &readings {
            let seconds = rest(reading).as_secs_f64();
            samples.value(&[&reading.name, reading.level.as_str()], seconds);
        }
        let mut samples = text.family(&f::RETRY_BUDGET);
        for reading in &readings {
            if let Some(left) = reading.budget_left {
                samples.value(&[&reading.name], left);
            }
        }
        let mut samples = text.family(&f::UPSTREAM_CONNECTIONS);
        samples.value(&["true"], sum.connections_reused);
        samples.value(&["false"], sum.connections_opened);
    }

    fn machine(&self, text: &mut Text) {
        let mut samples = text.family(&f::INFLIGHT);
        for phase in CallPhase::ALL {
            let running = self
                .workers
                .iter()
                .map(|worker| worker.in_flight.count(phase));
            samples.value(&[phase.as_str()], running.sum::<usize>());
        }
        let connections = self.connections.load(Ordering::Relaxed);
        text.family(&f::CONNECTIONS).value(&[], connections);
        let mut samples = text.family(&f::POOL_IDLE);
        for (number, worker) in self.workers.iter().enumerate() {
            let idle = worker.client.idle_connections();
            samples.value(&[&number.to_string()], idle);
        }
        let mut samples = text.family(&f::LOOP_LAG);
        let lags = self.shared.resources.loop_lags(self.shared.clock.now());
        for (number, lag) in lags.iter().enumerate() {
            samples.value(&[&number.to_string()], lag.as_secs_f64());
        }
        let mut one = |family: &'static Family, number: u64| text.family(family).value(&[], number);
        one(&f::BYTES_HELD, self.shared.bytes.held());
        one(&f::BYTES_LIMIT, self.shared.bytes.limit());
        one(&f::INCIDENTS_OPEN, self.incidents.open());
        one(&f::INCIDENTS, self.incidents.ever());
        if let Some(log) = &self.access_log {
            one(&f::LOG_DROPPED, log.dropped());
        }
        if let Some(rows) = &self.rows {
            one(
                &f::STORE_QUEUED,
                u64::try_from(rows.queued()).unwrap_or(u64::MAX),
            );
            one(&f::STORE_NOT_KEPT, rows.not_kept());
            one(&f::STORE_WRITABLE, u64::from(rows.trouble().is_none()));
        }
        if let Some(spans) = &self.spans {
            let mut samples = text.family(&f::SPANS);
            for (fate, count) in spans.counts() {
                samples.value(&[fate], count);
            }
        }
        let mut one = |family: &'static Family, number: u64| text.family(family).value(&[], number);
        let version = self.shared.policy.load().snapshot.version;
        one(&f::CONFIG_VERSION, version);
        let draining = self.shared.drain.is_at(Stage::Leaving);
        one(&f::DRAINING, u64::from(draining));
        let (descriptors, memory) = (
            self.shared.resources.descriptors(),
            self.shared.resources.memory(),
        );
        one(&f::OPEN_FDS, descriptors.used);
        one(&f::MAX_FDS, descriptors.limit);
        one(&f::RESIDENT, memory.used);
        one(&f::MEMORY_LIMIT, memory.limit);
        one(&f::CLOCK_JUMPS, self.shared.resources.clock_jumps());
        let version = env!("CARGO_PKG_VERSION");
        text.family(&f::BUILD).value(&[version], 1_u64);
    }
}

pub(super) fn calls(text: &mut Text, sum: &Set) {
    let mut samples = text.family(&f::REQUESTS);
    let mut recovered = 0;
    for (outcome, count) in Outcome::ALL.into_iter().zip(sum.outcomes) {
        samples.value(&[outcome.as_str()], count);
        if outcome == Outcome::Recovered {
            recovered = count;
        }
    }
    text.family(&f::RECOVERED).value(&[], recovered);
    text.family(&f::REQUEST_DURATION)
        .exemplary(&[], &sum.duration);
    text.family(&f::OVERHEAD).histogram(&[], &sum.overhead);
    text.family(&f::QUEUE_WAIT).histogram(&[], &sum.queue_wait);
    let mut samples = text.family(&f::SHED);
    for (class, count) in Priority::ALL.into_iter().zip(sum.shed) {
        samples.value(&[class.as_str()], count);
    }
}

pub(super) fn attempts(text: &mut Text, sum: &Set) {
    let mut samples = text.family(&f::ATTEMPTS);
    for target in &sum.targets {
        for (ending, count) in Ending::ALL.into_iter().zip(target.endings) {
            samples.value(&[&target.label.target, ending.as_str()], count);
        }
    }
    let mut samples = text.family(&f::RETRIES);
    for ((code, ending), count) in &sum.retries {
        samples.value(&[code.as_str(), ending.as_str()], *count);
    }
    let mut samples = text.family(&f::RETRIES_SUPPRESSED);
    for (reason, count) in &sum.suppressed {
        samples.value(&[reason.as_str()], *count);
    }
    let mut samples = text.family(&f::FAILURES);
    for (failure, counted) in &sum.failures {
        let at = failure.at.and_then(|(place, phase)| {
            let target = sum.targets.get(place)?;
            Some((&*target.label.target, phase.as_str()))
        });
        let (target, phase) = at.unwrap_or_default();
        let visible = if failure.visible { "true" } else { "false" };
        let code = failure.code;
        let group = code.facts().group.as_str();
        samples.counted(
            &[group, code.as_str(), target, phase, visible],
            counted.times,
            counted.last,
        );
    }
    let mut samples = text.family(&f::STREAM_BREAKS);
    for (code, count) in &sum.stream_breaks {
        samples.value(&[code.as_str()], *count);
    }
    text.family(&f::POSSIBLE_DUPLICATES)
        .value(&[], sum.possible_duplicates);
}

/// What model calls alone have.
pub(super) fn models(text: &mut Text, sum: &Set) {
    let used = || {
        sum.targets
            .iter()
            .filter(|target| target.first_token.values.count() > 0)
    };
    let mut samples = text.family(&f::FIRST_TOKEN);
    for target in used() {
        samples.exemplary(&[&target.label.target], &target.first_token);
    }
    let mut samples = text.family(&f::COST);
    for target in sum.targets.iter().filter(|target| target.cost_nanos > 0) {
        let cost = types::NanoUsd::new(target.cost_nanos);
        samples.value(&[&target.label.target], cost.as_dollars());
    }
    let mut samples = text.family(&f::OPERATION_DURATION);
    for target in sum
        .targets
        .iter()
        .filter(|target| target.answered.values.count() > 0)
    {
        let Some(provider) = target.label.provider else {
            continue;
        };
        let label = &target.label;
        let labels = ["chat", provider, label.model(), &label.target, ""];
        samples.exemplary(&labels, &target.answered);
    }
    for ((place, code), histogram) in &sum.failed_operations {
        let label = sum.targets.get(*place).map(|target| &target.label);
        if let Some(label) = label
            && let Some(provider) = label.provider
        {
            let labels = [
                "chat",
                provider,
                label.model(),
                &label.target,
                code.as_str(),
            ];
            samples.histogram(&labels, histogram);
        }
    }
    let mut samples = text.family(&f::TOKEN_USAGE);
    for target in &sum.targets {
        let Some(provider) = target.label.provider else {
            continue;
        };
        for (kind, tokens) in [("input", &target.input), ("output", &target.output)] {
            if tokens.count() > 0 {
                let label = &target.label;
                let labels = ["chat", provider, label.model(), &label.target, kind];
                samples.histogram(&labels, tokens);
            }
        }
    }
}

fn process(text: &mut Text) {
    let Some(process) = Process::read() else {
        return;
    };
    text.family(&f::CPU).value(&[], process.cpu_seconds);
    text.family(&f::THREADS).value(&[], process.threads);
    text.family(&f::START_TIME).value(&[], process.started);
}
