//! Exact sums: since ever, and of the last while.

#![expect(unused_qualifications, reason = "utoipa's macro writes them")]

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::Uri;
use serde::{Deserialize, Serialize};
use store::{CountLine, Filter, Kept, Sums};
use utoipa::{IntoParams, ToSchema};

use super::query;
use crate::app::Shared;
use crate::problem::Problem;

/// Calls by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ByOutcome {
    /// The first attempt served it.
    pub ok: u64,
    /// An attempt failed and a later one served it.
    pub recovered: u64,
    /// Served from a cache.
    pub cached: u64,
    /// No attempt served it, or its stream broke.
    pub failed: u64,
    /// Not answered, by the client's fault or a rule of the gateway.
    pub refused: u64,
    /// The client left first.
    pub cancelled: u64,
}

impl ByOutcome {
    fn add(&mut self, outcome: store::Outcome, calls: u64) {
        let place = match outcome {
            store::Outcome::Ok => &mut self.ok,
            store::Outcome::Recovered => &mut self.recovered,
            store::Outcome::Cached => &mut self.cached,
            store::Outcome::Failed => &mut self.failed,
            store::Outcome::Refused => &mut self.refused,
            store::Outcome::Cancelled => &mut self.cancelled,
        };
        *place = place.saturating_add(calls);
    }
}

/// Tokens of many calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Tokens {
    /// Of prompts, cached ones too.
    pub input: u64,
    /// Of answers, reasoning too.
    pub output: u64,
    /// The part of `input` read from providers' caches.
    pub cache_read: u64,
    /// The part of `input` written into providers' caches.
    pub cache_write: u64,
    /// The part of `output` that was reasoning.
    pub reasoning: u64,
}

impl From<&Sums> for Tokens {
    fn from(sums: &Sums) -> Self {
        Self {
            input: sums.input,
            output: sums.output,
            cache_read: sums.cache_read,
            cache_write: sums.cache_write,
            reasoning: sums.reasoning,
        }
    }
}

/// Exact sums of all calls there ever were, to the last one.
#[derive(Debug, Serialize, ToSchema)]
pub struct Counts {
    /// Calls that ended, demos apart.
    pub calls: u64,
    /// Attempts they made.
    pub attempts: u64,
    /// The calls by how they ended.
    pub by_outcome: ByOutcome,
    /// Their tokens.
    pub tokens: Tokens,
    /// Their cost in billionths of a US dollar.
    pub cost_nano_usd: u64,
    /// Calls that are counted here but of which no row was kept, demos too.
    pub not_kept: u64,
    /// Calls that a script inside the gateway answered; they are in none of the numbers above but the last.
    pub demo: DemoCounts,
}

/// Calls to the demo models.
#[derive(Debug, Serialize, ToSchema)]
pub struct DemoCounts {
    /// Calls that ended.
    pub calls: u64,
    /// Attempts they made.
    pub attempts: u64,
    /// The calls by how they ended.
    pub by_outcome: ByOutcome,
}

/// Exact sums of all calls there ever were.
///
/// Nothing that is dropped elsewhere under load is missing here.
#[utoipa::path(
    get,
    path = "/api/v1/counts",
    operation_id = "get_counts",
    tag = "counts",
    responses((status = 200, body = Counts), (status = "4XX", body = Problem))
)]
pub(crate) async fn get(State(app): State<Shared>) -> Json<Counts> {
    let counts = app.parts().store.counts();
    let mut by_outcome = ByOutcome::default();
    for (outcome, sums) in &counts.by_outcome {
        by_outcome.add(*outcome, sums.calls);
    }
    let mut demo_by_outcome = ByOutcome::default();
    for (outcome, sums) in &counts.demo_by_outcome {
        demo_by_outcome.add(*outcome, sums.calls);
    }
    Json(Counts {
        calls: counts.total.calls,
        attempts: counts.total.attempts,
        by_outcome,
        tokens: Tokens::from(&counts.total),
        cost_nano_usd: counts.total.cost.as_nanos(),
        not_kept: counts.not_kept,
        demo: DemoCounts {
            calls: counts.demo.calls,
            attempts: counts.demo.attempts,
            by_outcome: demo_by_outcome,
        },
    })
}

/// Which calls a summary is about.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SummaryQuery {
    /// How far back, in minutes, 1 to 43,200; 60 by default.
    #[param(minimum = 1, maximum = 43200, default = 60)]
    pub minutes: Option<u64>,
    /// Whether calls to the demo models count: `exclude` (default), `include` or `only`.
    #[param(value_type = Option<Demos>)]
    pub demo: Demos,
}

/// What becomes of calls to the demo models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Demos {
    /// They do not count.
    #[default]
    Exclude,
    /// They count like any.
    Include,
    /// Only they count.
    Only,
}

/// The last while at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub struct Summary {
    /// When it begins: milliseconds since 1970, on a full minute.
    pub since_ms: u64,
    /// When it ends: the gateway's time.
    pub until_ms: u64,
    /// Calls that ended.
    pub calls: u64,
    /// Attempts they made.
    pub attempts: u64,
    /// The calls by how they ended.
    pub by_outcome: ByOutcome,
    /// Their tokens.
    pub tokens: Tokens,
    /// Their cost in billionths of a US dollar.
    pub cost_nano_usd: u64,
    /// At most 60 spans of equal length, oldest first, without gaps.
    pub buckets: Vec<Bucket>,
    /// The models and routes with the most calls, 20 at most.
    pub models: Vec<Share>,
    /// The keys with the most calls, 20 at most.
    pub keys: Vec<Share>,
    /// Time to the first content.
    pub ttft: Spread,
    /// Time to the end.
    pub total: Spread,
}

/// One span of a summary.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct Bucket {
    /// When it begins: milliseconds since 1970.
    pub start_ms: u64,
    /// Calls that ended in it.
    pub calls: u64,
    /// The same by how they ended.
    pub by_outcome: ByOutcome,
    /// Their cost in billionths of a US dollar.
    pub cost_nano_usd: u64,
}

/// One model's, route's or key's part.
#[derive(Debug, Serialize, ToSchema)]
pub struct Share {
    /// Its name; null for calls without one.
    pub name: Option<String>,
    /// Its calls.
    pub calls: u64,
    /// The same by how they ended.
    pub by_outcome: ByOutcome,
    /// Their cost in billionths of a US dollar.
    pub cost_nano_usd: u64,
}

/// How long calls took. Not exact: taken from the latest rows that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Spread {
    /// How many were looked at.
    pub sample: u64,
    /// Half took less.
    pub p50_ms: Option<u64>,
    /// 95 % took less.
    pub p95_ms: Option<u64>,
}

const MOST_BUCKETS: u64 = 60;
const MOST_SHARES: usize = 20;
const SAMPLE: usize = 200;
const MINUTE_MS: u64 = 60_000;

/// The last while at a glance.
#[utoipa::path(
    get,
    path = "/api/v1/summary",
    operation_id = "get_summary",
    tag = "counts",
    params(SummaryQuery),
    responses((status = 200, body = Summary), (status = "4XX", body = Problem), (status = "5XX", body = Problem))
)]
pub(crate) async fn summary(State(app): State<Shared>, uri: Uri) -> Result<Json<Summary>, Problem> {
    let asked: SummaryQuery = query::read(&uri)?;
    let minutes = asked.minutes.unwrap_or(60);
    if !(1..=43_200).contains(&minutes) {
        return Err(Problem::bad_query("minutes", "is between 1 and 43200"));
    }
    let now = app.parts().clock.unix_millis();
    // The running minute is the last one; the first begins so that there are as many as were asked for.
    let until = now / MINUTE_MS * MINUTE_MS + MINUTE_MS;
    let since = until.saturating_sub(minutes * MINUTE_MS);
    let (lines, sample) = app
        .blocking(move |store| {
            let lines = store.count_lines(since, until)?;
            let recent = Filter {
                since: Some(since),
                ..Filter::default()
            };
            let sample = store.recent(&recent, None, SAMPLE)?.rows;
            Ok((lines, sample))
        })
        .await?;
    let wanted = |demo: bool| match asked.demo {
        Demos::Exclude => !demo,
        Demos::Include => true,
        Demos::Only => demo,
    };
    let lines: Vec<CountLine> = lines.into_iter().filter(|line| wanted(line.demo)).collect();
    let sample: Vec<&Kept> = sample.iter().filter(|row| wanted(row.call.demo)).collect();
    let mut total = Sums::default();
    let mut by_outcome = ByOutcome::default();
    for line in &lines {
        total.add(&line.sums);
        by_outcome.add(line.outcome, line.sums.calls);
    }
    Ok(Json(Summary {
        since_ms: since,
        until_ms: now,
        calls: total.calls,
        attempts: total.attempts,
        by_outcome,
        tokens: Tokens::from(&total),
        cost_nano_usd: total.cost.as_nanos(),
        buckets: buckets(&lines, since, minutes),
        models: shares(&lines, |line| line.model.clone()),
        keys: shares(&lines, |line| line.key.clone()),
        ttft: spread(sample.iter().filter_map(|row| row.call.ttft_ms)),
        total: spread(
            sample
                .iter()
                .filter(|row| row.call.outcome != store::Outcome::Refused)
                .map(|row| row.call.total_ms),
        ),
    }))
}

fn buckets(lines: &[CountLine], since: u64, minutes: u64) -> Vec<Bucket> {
    let width = minutes.div_ceil(MOST_BUCKETS) * MINUTE_MS;
    let count = (minutes * MINUTE_MS).div_ceil(width);
    let mut buckets: Vec<Bucket> = (0..count)
        .map(|n| Bucket {
            start_ms: since + n * width,
            ..Bucket::default()
        })
        .collect();
    for line in lines {
        let n = (line.start * 1_000).saturating_sub(since) / width;
        if let Some(bucket) = usize::try_from(n).ok().and_then(|n| buckets.get_mut(n)) {
            bucket.calls = bucket.calls.saturating_add(line.sums.calls);
            bucket.by_outcome.add(line.outcome, line.sums.calls);
            bucket.cost_nano_usd = bucket
                .cost_nano_usd
                .saturating_add(line.sums.cost.as_nanos());
        }
    }
    buckets
}

fn shares(lines: &[CountLine], name: impl Fn(&CountLine) -> Option<String>) -> Vec<Share> {
    let mut by_name: BTreeMap<Option<String>, (Sums, ByOutcome)> = BTreeMap::new();
    for line in lines {
        let (sums, by_outcome) = by_name.entry(name(line)).or_default();
        sums.add(&line.sums);
        by_outcome.add(line.outcome, line.sums.calls);
    }
    let mut shares: Vec<Share> = by_name
        .into_iter()
        .map(|(name, (sums, by_outcome))| Share {
            name,
            calls: sums.calls,
            by_outcome,
            cost_nano_usd: sums.cost.as_nanos(),
        })
        .collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.calls));
    shares.truncate(MOST_SHARES);
    shares
}

pub(super) fn spread(values: impl Iterator<Item = u64>) -> Spread {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    let at = |percent: usize| {
        values.get((values.len() * percent / 100).min(values.len().saturating_sub(1)))
    };
    Spread {
        sample: u64::try_from(values.len()).unwrap_or(u64::MAX),
        p50_ms: at(50).copied(),
        p95_ms: at(95).copied(),
    }
}
