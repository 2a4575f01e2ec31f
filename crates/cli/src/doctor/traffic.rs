//! What real calls have shown within the last hour, as a running gateway has stored them.

use std::collections::HashMap;

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
    let mut seen: HashMap<String, (u64, u64, Vec<u64>)> = HashMap::new();
    for attempt in calls.iter().flat_map(|call| &call.attempts) {
        let name = match attempt.target.contains("://") {
            true => attempt.target.as_str(),
            false => attempt.target.split('/').next().unwrap_or_default(),
        };
        let (count, failed, first_bytes) = seen.entry(name.to_owned()).or_default();
        *count += 1;
        *failed += u64::from(attempt.code.is_some());
        first_bytes.extend(attempt.phases.first_byte_us.map(|us| us / 1000));
    }
    let traffic = seen
        .into_iter()
        .map(|(name, (attempts, failed, mut times))| {
            times.sort_unstable();
            let percentile = |percent: usize| crate::figures::percentile(&times, percent);
            let traffic = Traffic {
                attempts,
                failed,
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
                {"target": "a/m", "code": "bad_gateway", "phases": {"first_byte_us": null}},
                {"target": "b/m/x", "code": null, "phases": {"first_byte_us": 2000}}]},
            {"attempts": [{"target": "a/n", "code": null, "phases": {"first_byte_us": 4000}}]},
            {"attempts": [{"target": "http://c/x", "code": null, "phases": {"first_byte_us": 9000}}]},
        ]}))
        .unwrap();
        let traffic = sum_up(&page.requests);
        assert_eq!((traffic["a"].attempts, traffic["a"].failed), (2, 1));
        assert_eq!(traffic["a"].first_byte_p50_ms, Some(4));
        assert_eq!(traffic["b"].first_byte_p99_ms, Some(2));
        assert_eq!(traffic["http://c/x"].attempts, 1);
    }
}
