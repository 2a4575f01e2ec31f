//! What is counted of whole calls, and that it does not matter which worker counted it.

use std::sync::Arc;
use std::time::Duration;

use diagnosis::{Code, Evidence, Fault, Phase};
use proptest::prelude::*;
use types::{CallId, NanoUsd, Priority, TokenUsage};

use super::set::Set;
use super::text::{Format, Text};
use super::{Labels, Metrics, scrape};
use crate::journal::{Attempt, Certainty, Closed, Event, Next, Outcome, StopReason, Summary};

/// What an attempt of a test showed.
#[derive(Clone, Debug)]
struct Shown {
    target: &'static str,
    fault: Option<Fault>,
    phase: Phase,
}

const fn answered(target: &'static str) -> Shown {
    Shown {
        target,
        fault: None,
        phase: Phase::Body,
    }
}

const fn refused(target: &'static str) -> Shown {
    Shown {
        target,
        fault: Some(Fault::Refused),
        phase: Phase::Connect,
    }
}

fn attempt(n: u32, shown: Shown) -> Event {
    let evidence = Evidence {
        fault: shown.fault,
        phase: shown.phase,
        ..Evidence::default()
    };
    let failed = evidence.fault.is_some();
    Event::Attempted(Box::new(Attempt {
        n,
        target: Arc::from(shown.target),
        credential: None,
        at: Duration::ZERO,
        took: Duration::from_millis(15),
        status: None,
        verdict: failed.then(|| diagnosis::judge(&evidence)),
        evidence: Box::new(evidence),
        next: if failed {
            Next::NextTarget
        } else {
            Next::Served
        },
    }))
}

fn told(code: Code, output_sent: bool) -> Event {
    Event::Refused {
        code,
        status: code.facts().http,
        stop_reason: Some(StopReason::BudgetExhausted),
        body: bytes::Bytes::new(),
        output_sent,
        retry_after: None,
    }
}

fn call(outcome: Outcome, attempts: &[Shown], told: Option<Event>) -> Closed {
    let mut events: Vec<Event> = (1..)
        .zip(attempts)
        .map(|(n, shown)| attempt(n, shown.clone()))
        .collect();
    if outcome == Outcome::Ok || outcome == Outcome::Recovered {
        events.push(Event::Used {
            usage: TokenUsage {
                input: Some(20),
                output: Some(3),
                ..TokenUsage::default()
            },
            cost: Some(NanoUsd::new(1_500_000)),
            certainty: Certainty::Exact,
        });
    }
    events.extend(told);
    Closed {
        id: CallId::generate(1_790_000_000_000),
        peer: "127.0.0.1:1".parse().unwrap(),
        took: Duration::from_millis(40),
        events,
        outcome,
    }
}

fn lines(metrics: &[Metrics]) -> Vec<String> {
    let mut sum = Set::default();
    for worker in metrics {
        worker.add_to(&mut sum);
    }
    let mut text = Text::new(Format::Prometheus);
    scrape::calls(&mut text, &sum);
    scrape::attempts(&mut text, &sum);
    scrape::models(&mut text, &sum);
    let text = text.finish();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

fn counted(calls: &[Closed]) -> Vec<String> {
    let metrics = Metrics::new(labels());
    for call in calls {
        metrics.count(call, &Summary::of(call));
    }
    lines(&[metrics])
}

fn labels() -> Arc<Labels> {
    let labels = Labels::default();
    labels.know_for_tests(&["p/m", "q/m"], &[("p", "openai"), ("q", "gcp.gemini")]);
    Arc::new(labels)
}

fn holds(lines: &[String], wanted: &[&str]) {
    for line in wanted {
        assert!(
            lines.iter().any(|one| one == line),
            "{line} is missing in\n{}",
            lines.join("\n")
        );
    }
}

#[test]
fn a_recovered_call_counts_its_failure_as_invisible_and_its_repeat_as_answered() {
    let call = call(Outcome::Recovered, &[refused("p/m"), answered("q/m")], None);
    holds(
        &counted(&[call]),
        &[
            "goodgate_requests_total{outcome=\"recovered\"} 1",
            "goodgate_recovered_total 1",
            "goodgate_attempts_total{target=\"p/m\",outcome=\"failed\"} 1",
            "goodgate_attempts_total{target=\"q/m\",outcome=\"answered\"} 1",
            "goodgate_failures_total{group=\"network\",code=\"connection_refused\",target=\"p/m\",phase=\"connect\",visible=\"false\"} 1",
            "goodgate_retries_total{reason=\"connection_refused\",result=\"answered\"} 1",
            "goodgate_overhead_seconds_sum 0.01",
            "goodgate_cost_usd_total{target=\"q/m\"} 0.0015",
            "gen_ai_client_operation_duration_seconds_count{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"gcp.gemini\",gen_ai_request_model=\"m\",goodgate_target=\"q/m\",error_type=\"\"} 1",
            "gen_ai_client_operation_duration_seconds_count{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"openai\",gen_ai_request_model=\"m\",goodgate_target=\"p/m\",error_type=\"connection_refused\"} 1",
            "gen_ai_client_token_usage_sum{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"gcp.gemini\",gen_ai_request_model=\"m\",goodgate_target=\"q/m\",gen_ai_token_type=\"input\"} 20.0",
        ],
    );
}

#[test]
fn of_a_failed_call_one_failure_is_what_the_client_was_told() {
    let failed = call(
        Outcome::Failed,
        &[refused("p/m"), refused("p/m")],
        Some(told(Code::ConnectionRefused, false)),
    );
    let failure = |visible| {
        format!(
            "goodgate_failures_total{{group=\"network\",code=\"connection_refused\",target=\"p/m\",phase=\"connect\",visible=\"{visible}\"}} 1"
        )
    };
    holds(
        &counted(&[failed]),
        &[
            &failure("true"),
            &failure("false"),
            "goodgate_retries_suppressed_total{reason=\"budget_exhausted\"} 1",
        ],
    );
}

#[test]
fn waits_in_line_are_timed_and_who_is_left_out_counts_for_its_class() {
    let with = |priority, waited, told: Option<Event>| {
        let outcome = if told.is_some() {
            Outcome::Refused
        } else {
            Outcome::Ok
        };
        let mut call = call(outcome, &[], told);
        let key = types::KeyId::new("jobs");
        call.events.insert(0, Event::Identified(key, priority));
        call.events
            .push(Event::Waited(Duration::from_millis(waited)));
        call
    };
    let calls = [
        with(Priority::Normal, 30, None),
        with(
            Priority::Batch,
            1_000,
            Some(told(Code::QueueTimeout, false)),
        ),
        with(Priority::Batch, 0, Some(told(Code::LoadShed, false))),
        with(Priority::High, 0, Some(told(Code::CircuitOpen, false))),
    ];
    holds(
        &counted(&calls),
        &[
            "goodgate_queue_wait_seconds_count 4",
            "goodgate_queue_wait_seconds_sum 1.03",
            "goodgate_shed_total{priority=\"batch\"} 2",
            "goodgate_shed_total{priority=\"normal\"} 0",
            "goodgate_shed_total{priority=\"high\"} 0",
        ],
    );
}

#[test]
fn what_the_gateway_refuses_by_itself_has_no_target() {
    let refusal = call(
        Outcome::Refused,
        &[],
        Some(told(Code::Unauthenticated, false)),
    );
    holds(
        &counted(&[refusal]),
        &[
            "goodgate_failures_total{group=\"client\",code=\"unauthenticated\",target=\"\",phase=\"\",visible=\"true\"} 1",
            "goodgate_requests_total{outcome=\"refused\"} 1",
        ],
    );
}

#[test]
fn an_answer_that_breaks_off_is_a_break_and_a_client_that_leaves_is_no_failure_of_the_target() {
    let broken = call(
        Outcome::Failed,
        &[Shown {
            target: "p/m",
            fault: Some(Fault::IdleTimeout),
            phase: Phase::Stream,
        }],
        Some(told(Code::StreamIdleTimeout, true)),
    );
    let left = call(
        Outcome::Cancelled,
        &[Shown {
            target: "p/m",
            fault: Some(Fault::ClientGone),
            phase: Phase::Headers,
        }],
        None,
    );
    holds(
        &counted(&[broken, left]),
        &[
            "goodgate_stream_breaks_total{code=\"stream_idle_timeout\"} 1",
            "goodgate_attempts_total{target=\"p/m\",outcome=\"cancelled\"} 1",
            "goodgate_attempts_total{target=\"p/m\",outcome=\"failed\"} 1",
        ],
    );
}

#[test]
fn names_that_callers_make_up_share_a_label_and_demos_count_nowhere() {
    let made_up = call(
        Outcome::Recovered,
        &[refused("p/made-up-1"), answered("p/m")],
        None,
    );
    let again = call(
        Outcome::Recovered,
        &[refused("p/made-up-2"), answered("p/m")],
        None,
    );
    let mut demo = call(Outcome::Ok, &[answered("q/m")], None);
    demo.events.push(Event::Demo);
    let lines = counted(&[made_up, again, demo]);
    holds(
        &lines,
        &[
            "goodgate_attempts_total{target=\"(others)\",outcome=\"failed\"} 2",
            "goodgate_requests_total{outcome=\"ok\"} 0",
        ],
    );
    let text = lines.join("\n");
    assert!(!text.contains("made-up") && !text.contains("q/m"), "{text}");
}

fn any_call() -> impl Strategy<Value = Closed> {
    let shown = prop_oneof![
        Just(answered("p/m")),
        Just(answered("q/m")),
        Just(refused("p/m")),
        Just(refused("q/m")),
        Just(refused("p/unknown")),
    ];
    let outcome = prop::sample::select(Outcome::ALL.to_vec());
    (outcome, prop::collection::vec(shown, 0..4)).prop_map(|(outcome, attempts)| {
        let told = (outcome == Outcome::Failed).then(|| told(Code::ConnectionRefused, false));
        call(outcome, &attempts, told)
    })
}

proptest! {
    #[test]
    fn it_does_not_matter_which_worker_counts_a_call(
        calls in prop::collection::vec((any_call(), 0_usize..3), 0..20),
    ) {
        let known = labels();
        let workers: Vec<Metrics> = (0..3).map(|_| Metrics::new(Arc::clone(&known))).collect();
        for (call, worker) in &calls {
            workers[*worker].count(call, &Summary::of(call));
        }
        let calls: Vec<Closed> = calls.into_iter().map(|(call, _)| call).collect();
        prop_assert_eq!(lines(&workers), counted(&calls));
    }

    #[test]
    fn each_failed_or_refused_call_has_one_failure_that_its_client_was_told(
        calls in prop::collection::vec(any_call(), 0..20),
    ) {
        let failed = calls.iter().filter(|call| call.outcome == Outcome::Failed).count();
        let told: u64 = counted(&calls)
            .iter()
            .filter(|line| line.contains("visible=\"true\""))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum();
        prop_assert_eq!(told, failed as u64);
    }
}
