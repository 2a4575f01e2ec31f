//! What real calls have shown within the last hour, as a running gateway has stored them.

use std::collections::{BTreeMap, HashMap};

use http::Method;
use serde::Deserialize;

use super::report::Traffic;
use crate::running::Running;

/// Pages of 200 calls that are looked at: enough for a p99 with ten calls beyond it.
const PAGES: usize = 5;

/// An hour in milliseconds.
const HOUR: u64 = 3_600_000;

#[derive(Debug, Deserialize)]
struct Page {
    requests: Vec<Call>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Call {
    attempts: Vec<Attempt>,
}

#[derive(Debug, Deserialize)]
struct Attempt {
    target: String,
    code: Option<String>,
    group: Option<String>,
    phases: Phases,
}

#[derive(Debug, Deserialize)]
struct Phases {
    first_byte_us: Option<u64>,
}

/// By provider's name, or by an upstream's URL.
pub(crate) fn of_last_hour(running: &Running, now_ms: u64) -> HashMap<String, Traffic> {
    let since = now_ms.saturating_sub(HOUR);
    let mut calls = Vec::new();
    let mut cursor = String::new();
    for _ in 0..PAGES {
        let path = format!("/api/v1/requests?limit=200&since={since}{cursor}");
        let Ok(body) = running.ask(&Method::GET, &path) else {
            break;
        };
        let Ok(page) = serde_json::from_slice::<Page>(&body) else {
            break;
        };
        calls.extend(page.requests);
        let Some(next) = page.next else { break };
        cursor = format!("&cursor={next}");
    }
    sum_up(&calls)
}

fn sum_up(calls: &[Call]) -> HashMap<String, Traffic> {
    #[derive(Default)]
    struct Sums<'c> {
        attempts: u64,
        causes: BTreeMap<&'c str, u64>,
        first_bytes: Vec<u64>,
    }
    let mut seen: HashMap<String, Sums<'_>> = HashMap::new();
    for attempt in calls.iter().flat_map(|call| &call.attempts) {
        let name = match attempt.target.contains("://") {
            true => attempt.target.as_str(),
            false => attempt.target.split('/').next().unwrap_or_default(),
        };
        let sums = seen.entry(name.to_owned()).or_default();
        sums.attempts += 1;
        // What a caller asked for wrongly says nothing of the upstream.
        let is_callers = matches!(attempt.group.as_deref(), Some("client" | "policy"));
        if let Some(code) = attempt.code.as_deref().filter(|_| !is_callers) {
            *sums.causes.entry(code).or_default() += 1;
        }
        sums.first_bytes
            .extend(attempt.phases.first_byte_us.map(|us| us / 1000));
    }
    let traffic = seen.into_iter().map(|(name, sums)| {
        let Sums {
            attempts,
            causes,
            first_bytes: mut times,
        } = sums;
        times.sort_unstable();
        let percentile = |percent: usize| crate::figures::percentile(&times, percent);
        let traffic = Traffic {
            attempts,
            failed: causes.values().sum(),
            most_frequent: causes
                .iter()
                .max_by_key(|(_, count)| **count)
                .map(|(code, _)| (*code).to_owned()),
            first_byte_p50_ms: percentile(50),
            first_byte_p95_ms: percentile(95),
            first_byte_p99_ms: percentile(99),
        };
        (name, traffic)
    });
    traffic.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_summed_up_by_provider_and_by_url() {
        let page: Page = serde_json::from_value(serde_json::json!({"next": null, "requests": [
            {"attempts": [
                {"target": "a/m", "code": "bad_gateway", "group": "upstream", "phases": {"first_byte_us": null}},
                {"target": "b/m/x", "code": null, "phases": {"first_byte_us": 2000}}]},
            {"attempts": [{"target": "b/m", "code": "invalid_request", "group": "client", "phases": {"first_byte_us": null}}]},
            {"attempts": [{"target": "a/n", "code": null, "phases": {"first_byte_us": 4000}}]},
            {"attempts": [{"target": "http://c/x", "code": null, "phases": {"first_byte_us": 9000}}]},
        ]}))
        .unwrap();
        let traffic = sum_up(&page.requests);
        assert_eq!((traffic["a"].attempts, traffic["a"].failed), (2, 1));
        assert_eq!(traffic["a"].first_byte_p50_ms, Some(4));
        assert_eq!(traffic["a"].most_frequent.as_deref(), Some("bad_gateway"));
        assert_eq!((traffic["b"].attempts, traffic["b"].failed), (2, 0));
        assert_eq!(traffic["b"].first_byte_p99_ms, Some(2));
        assert_eq!(traffic["http://c/x"].attempts, 1);
    }
}
