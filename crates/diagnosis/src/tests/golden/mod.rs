#![cfg(test)]
//! The golden table: everything one attempt can show, and the code it gets. Cases are data; `check` is the one door.

mod answers;
mod transport;
mod words;

use std::collections::BTreeSet;
use std::time::Duration;

use self::answers::{pages, statuses, successes_that_are_none};
use self::transport::{answers_cut_short, deadlines, tls, transport};
use self::words::{precedence, words};
use super::judged;
use crate::cause::{Code, Origin, Processed};
use crate::evidence::{AnswerHead, ContentFault, Evidence, Fault, Phase, Signal};
use crate::excerpt::scrub;
use crate::verdict::{MadeBy, judge};

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain";

/// An attempt that the transport ended.
fn fault(phase: Phase, fault: Fault) -> Evidence {
    Evidence {
        phase,
        fault: Some(fault),
        ..Evidence::default()
    }
}

/// An attempt that was answered with this status and this body.
fn answer(status: u16, kind: &str, body: &str) -> Evidence {
    let (excerpt, page_title) = scrub(body.as_bytes(), Some(kind));
    let head = AnswerHead {
        status,
        content_type: Some(kind.to_owned()),
        ..AnswerHead::default()
    };
    let mut evidence = Evidence {
        phase: Phase::Body,
        head: Some(head),
        excerpt,
        page_title,
        ..Evidence::default()
    };
    evidence.times.sent = Some(Duration::from_millis(1));
    evidence
}

/// The same with an error object of these words.
fn said(status: u16, kind: &str, code: &str, message: &str) -> Evidence {
    let word = |word: &str| (!word.is_empty()).then(|| word.to_owned());
    let signal = Signal {
        kind: word(kind),
        code: word(code),
        message: word(message),
        ..Signal::default()
    };
    Evidence {
        signal: Some(signal),
        ..answer(status, JSON, "")
    }
}

/// A success whose content is wrong.
fn content(fault: ContentFault) -> Evidence {
    Evidence {
        fault: Some(Fault::Content(fault)),
        ..answer(200, JSON, "")
    }
}

fn from(server: &str, mut evidence: Evidence) -> Evidence {
    head(&mut evidence).server = Some(server.to_owned());
    evidence
}

fn head(evidence: &mut Evidence) -> &mut AnswerHead {
    evidence.head.get_or_insert_default()
}

fn with(mut evidence: Evidence, change: impl FnOnce(&mut Evidence)) -> Evidence {
    change(&mut evidence);
    evidence
}

fn check(cases: Vec<(Evidence, Code)>) -> BTreeSet<Code> {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (evidence, expected) in cases {
        let verdict = judge(&evidence);
        seen.insert(verdict.code);
        if verdict.code != expected {
            wrong.push(format!(
                "expected {expected}, judged {}: {evidence:?}",
                verdict.code
            ));
        }
        assert!(!verdict.evidence_line.is_empty() && verdict.evidence_line.len() <= 200);
        assert!(verdict.full_line.starts_with(&verdict.evidence_line));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    seen
}

#[test]
fn what_the_transport_shows_gets_its_code() {
    check(transport());
    check(tls());
    check(answers_cut_short());
}

#[test]
fn what_the_answer_shows_gets_its_code() {
    check(statuses());
    check(pages());
    check(successes_that_are_none());
}

#[test]
fn what_the_provider_says_gets_its_code() {
    check(words());
    check(precedence());
}

#[test]
fn a_deadline_is_the_timeout_of_the_phase_that_took_nearly_all_of_it() {
    check(deadlines());
}

#[test]
fn every_code_that_an_attempt_can_show_is_in_the_table() {
    let groups = [
        transport(),
        tls(),
        answers_cut_short(),
        statuses(),
        pages(),
        words(),
        precedence(),
        successes_that_are_none(),
        deadlines(),
    ];
    let seen: BTreeSet<Code> = groups.into_iter().flat_map(check).collect();
    assert_eq!(seen, judged().collect());
}

#[test]
fn a_deadline_is_the_fault_of_its_longest_phase() {
    let at = |phase: Phase, connect: u64, sent: Option<u64>, end: u64| {
        let mut evidence = fault(phase, Fault::Deadline);
        evidence.times.connect = Some(Duration::from_millis(connect));
        evidence.times.sent = sent.map(Duration::from_millis);
        evidence.times.end = Some(Duration::from_millis(end));
        judge(&evidence).origin
    };
    assert_eq!(at(Phase::Headers, 700, Some(701), 1000), Origin::Network);
    assert_eq!(at(Phase::Headers, 300, Some(301), 1000), Origin::Upstream);
    assert_eq!(at(Phase::Connect, 0, None, 1000), Origin::Network);
}

#[test]
fn unread_requests_are_told_from_perhaps_executed_ones() {
    let after = |phase: Phase, of: Fault, acked: Option<u64>| {
        let mut evidence = fault(phase, of);
        evidence.bytes.acked = acked;
        judge(&evidence).processed
    };
    assert_eq!(after(Phase::Headers, Fault::Closed, Some(0)), Processed::No);
    assert_eq!(
        after(Phase::Headers, Fault::Closed, Some(10)),
        Processed::Maybe
    );
    assert_eq!(after(Phase::Headers, Fault::Closed, None), Processed::Maybe);
    // After a reset the count is zero even where the request was read.
    assert_eq!(
        after(Phase::Headers, Fault::Reset, Some(0)),
        Processed::Maybe
    );
    assert_eq!(after(Phase::Tls, Fault::Reset, None), Processed::No);
    assert_eq!(after(Phase::Dns, Fault::ClientGone, None), Processed::No);
    let streaming = with(answer(200, JSON, ""), |evidence| {
        evidence.phase = Phase::Stream;
        evidence.fault = Some(Fault::Deadline);
    });
    assert_eq!(judge(&streaming).processed, Processed::Yes);
}

#[test]
fn who_made_the_answer_is_recognised() {
    let page = |title: &str, foot: &str| format!("<html><title>{title}</title>{foot}</html>");
    let plain = page("502 Bad Gateway", "");
    let with_ray = |evidence| {
        with(evidence, |evidence| {
            head(evidence).cf_ray = Some("8f4a1c-AMS".into())
        })
    };
    for (evidence, expected) in [
        (
            from("cloudflare", answer(502, HTML, &plain)),
            MadeBy::Cloudflare,
        ),
        (with_ray(answer(502, HTML, &plain)), MadeBy::Cloudflare),
        (
            from("cloudflare", answer(502, TEXT, "error code: 502")),
            MadeBy::Cloudflare,
        ),
        (
            from("cloudflare", said(500, "server_error", "", "")),
            MadeBy::Origin,
        ),
        (from("cloudflare", answer(500, JSON, "{}")), MadeBy::Origin),
        (
            from(
                "cloudflare",
                answer(
                    502,
                    HTML,
                    &page("502 Bad Gateway", "<hr><center>nginx</center>"),
                ),
            ),
            MadeBy::Nginx,
        ),
        (
            from("awselb/2.0", answer(502, HTML, &plain)),
            MadeBy::AwsElb,
        ),
        (from("nginx", answer(502, HTML, &plain)), MadeBy::Nginx),
        (from("nginx", answer(500, JSON, "{}")), MadeBy::Origin),
        (answer(503, TEXT, "no healthy upstream"), MadeBy::Envoy),
        (
            answer(502, HTML, &page("Error 502 (Server Error)!!1", "")),
            MadeBy::Gfe,
        ),
        (answer(502, HTML, &plain), MadeBy::Unknown),
        (fault(Phase::Connect, Fault::Refused), MadeBy::Unknown),
    ] {
        assert_eq!(judge(&evidence).made_by, expected, "{evidence:?}");
    }
}
