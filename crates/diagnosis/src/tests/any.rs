#![cfg(test)]
//! What holds for any evidence at all.

use std::time::Duration;

use proptest::prelude::*;

use super::NEVER_JUDGED;
use crate::cause::{Code, Processed};
use crate::evidence::{
    AnswerHead, ByteCounts, CertificateFault, ContentFault, Evidence, Fault, Lane, LimitFired,
    Phase, PhaseTimes, Signal,
};
use crate::verdict::judge;

/// Marks every text that came from outside and must not show.
const SECRET: &str = "sk-live-0123456789abcdef";

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        "\\PC{0,20}".prop_map(|text| format!("{text} {SECRET} {text}")),
        prop::sample::select(vec![
            "insufficient_quota",
            "rate_limit_error",
            "RESOURCE_EXHAUSTED",
            "text/html",
            "application/json",
            "maintenance",
            "overloaded_error",
            "cloudflare",
            "awselb/2.0",
            "nginx",
            "no healthy upstream",
            "502",
        ])
        .prop_map(str::to_owned),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        text().prop_map(String::into_bytes)
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    let simple = prop::sample::select(vec![
        Fault::DnsNotFound,
        Fault::DnsTimeout,
        Fault::Refused,
        Fault::FamilyUnavailable,
        Fault::ConnectTimeout,
        Fault::TlsTimeout,
        Fault::WriteTimeout,
        Fault::HeaderTimeout,
        Fault::FirstTokenTimeout,
        Fault::IdleTimeout,
        Fault::Deadline,
        Fault::Closed,
        Fault::Reset,
        Fault::BodyTruncated,
        Fault::ClientGone,
        Fault::BodyNotReplayable,
        Fault::Content(ContentFault::Html),
        Fault::Content(ContentFault::Empty),
        Fault::Content(ContentFault::ErrorObject),
        Fault::Content(ContentFault::StreamError),
        Fault::Content(ContentFault::StreamIncomplete),
    ]);
    prop_oneof![
        simple,
        text().prop_map(|detail| Fault::DnsFailed { detail }),
        any::<i32>().prop_map(|errno| Fault::Unreachable { errno }),
        any::<i32>().prop_map(|errno| Fault::LocalResource { errno }),
        any::<u8>().prop_map(|number| Fault::TlsAlert { number }),
        (0_u32..20).prop_map(|reason| Fault::Http2Reset { reason }),
        (any::<u32>(), any::<bool>())
            .prop_map(|(reason, processed)| Fault::Http2GoAway { reason, processed }),
        prop::option::of(text()).prop_map(|chosen| Fault::AlpnMismatch {
            offered: "h2",
            chosen
        }),
        (any::<Option<i64>>(), any::<i64>()).prop_map(|(not_after, now)| Fault::TlsCertificate(
            CertificateFault::Expired { not_after, now }
        )),
        (any::<Option<i64>>(), any::<i64>()).prop_map(|(not_before, now)| Fault::TlsCertificate(
            CertificateFault::NotYetValid { not_before, now }
        )),
        (text(), prop::collection::vec(text(), 0..9)).prop_map(|(wanted, presented)| {
            Fault::TlsCertificate(CertificateFault::Name { wanted, presented })
        }),
        text().prop_map(|detail| Fault::TlsCertificate(CertificateFault::Untrusted { detail })),
        bytes().prop_map(|first_bytes| Fault::TlsNotTls { first_bytes }),
        bytes().prop_map(|first_bytes| Fault::NotHttp { first_bytes }),
        text().prop_map(|detail| Fault::TlsOther { detail }),
        any::<u64>().prop_map(|limit| Fault::HeadTooLarge { limit }),
        bytes().prop_map(|offending| Fault::Framing {
            what: "chunk size",
            offending
        }),
        (text(), text()).prop_map(|(encoding, detail)| Fault::Decode { encoding, detail }),
        any::<usize>().prop_map(|at| Fault::Content(ContentFault::NotJson { at })),
        text().prop_map(|what| Fault::Content(ContentFault::WrongShape { what })),
        (any::<u64>(), text()).prop_map(|(event, what)| Fault::Content(
            ContentFault::StreamMalformed { event, what }
        )),
        text().prop_map(|detail| Fault::Internal { detail }),
    ]
}

fn signal() -> impl Strategy<Value = Signal> {
    let word = || prop::option::of(text());
    let concluded = prop::option::of(prop::sample::select(
        Code::ALL
            .iter()
            .copied()
            .filter(|code| !NEVER_JUDGED.contains(code))
            .collect::<Vec<_>>(),
    ));
    (word(), word(), word(), word(), concluded).prop_map(
        |(kind, code, param, message, concluded)| Signal {
            kind,
            code,
            param,
            message,
            concluded,
        },
    )
}

fn head() -> impl Strategy<Value = AnswerHead> {
    let word = || prop::option::of(text());
    let words = (word(), word(), word(), word(), word(), word());
    let status = prop_oneof![any::<u16>(), 200_u16..600];
    (status, words, any::<[bool; 3]>(), any::<Option<Duration>>()).prop_map(
        |(status, words, flags, retry_after)| {
            let [maintenance_header, envoy_overloaded, connection_close] = flags;
            let (content_type, server, upstream_request_id, cf_ray, location, proxy_status) = words;
            AnswerHead {
                status,
                content_type,
                server,
                upstream_request_id,
                cf_ray,
                location,
                maintenance_header,
                envoy_overloaded,
                proxy_status,
                connection_close,
                retry_after,
            }
        },
    )
}

fn times() -> impl Strategy<Value = PhaseTimes> {
    any::<[Option<Duration>; 7]>().prop_map(
        |[dns, connect, tls, sent, first_byte, first_token, end]| PhaseTimes {
            dns,
            connect,
            tls,
            sent,
            first_byte,
            first_token,
            end,
        },
    )
}

prop_compose! {
    fn evidence()(
        (lane, phase) in (prop::sample::select(Lane::ALL), prop::sample::select(Phase::ALL)),
        fault in prop::option::of(fault()),
        (sent, acked, received) in any::<(u64, Option<u64>, u64)>(),
        head in prop::option::of(head()),
        signal in prop::option::of(signal()),
        limit in prop::option::of(any::<Duration>().prop_map(|value| LimitFired { name: "total", value })),
        (hint, call_age) in any::<(Option<Duration>, Option<Duration>)>(),
        (reused, timer_from_caller) in any::<(bool, bool)>(),
        times in times(),
        body in bytes(),
    ) -> Evidence {
        // Excerpts and titles come from `scrub` alone.
        let (excerpt, page_title) = crate::excerpt::scrub(&body, None);
        Evidence {
            lane, phase, fault, head, signal, limit, hint, times, reused, timer_from_caller, call_age, excerpt, page_title,
            bytes: ByteCounts { sent, acked, received },
            ..Evidence::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_evidence_gets_a_verdict_that_an_attempt_can_have_and_shows_no_secret(evidence in evidence()) {
        let verdict = judge(&evidence);
        prop_assert!(!NEVER_JUDGED.contains(&verdict.code), "{}", verdict.code);
        prop_assert_eq!(&verdict, &judge(&evidence));
        prop_assert!(verdict.evidence_line.len() <= 200);
        let stored = serde_json::to_string(&evidence).expect("plain data");
        for shown in [&verdict.evidence_line, &verdict.full_line, &stored] {
            prop_assert!(!shown.contains("0123456789abcdef"), "{}", shown);
        }
    }

    #[test]
    fn a_verdict_may_be_surer_than_the_table_that_nothing_was_executed_but_never_forgets_that_it_was(
        evidence in evidence(),
    ) {
        let verdict = judge(&evidence);
        match verdict.code.facts().processed {
            Processed::Yes => prop_assert_eq!(verdict.processed, Processed::Yes),
            Processed::No => prop_assert_eq!(verdict.processed, Processed::No),
            Processed::Maybe => {}
        }
    }
}
