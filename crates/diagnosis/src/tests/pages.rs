#![cfg(test)]
//! `docs/errors/`: a page for each code, and what the table says of the code stands in its page word for word.
//!
//! Three sections of a page are written by hand; the rest is rendered here and compared. Where a page is behind, the
//! failing test prints how it should read.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::{NEVER_JUDGED, corpus};
use crate::advice::{
    AttemptSummary, Situation, client_message, fixes, reason_phrase, refusal_phrase,
};
use crate::cause::{Code, Facts, Group, Origin, Other, Processed, Safe, Same};

const ID: &str = "req_01K9ZQ7V3M8T2ABCDEFGHJKMNP";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors")
}

/// What is written by hand.
struct Written<'a> {
    recognised: &'a str,
    causes: &'a str,
    helps: &'a str,
}

fn written(page: &str) -> Written<'_> {
    let section = |title: &str| {
        let (_, rest) = page
            .split_once(&format!("\n## {title}\n\n"))
            .unwrap_or_default();
        rest.split("\n\n## ").next().unwrap_or_default().trim_end()
    };
    let to_do = section("What to do");
    Written {
        recognised: section("How it is recognised"),
        causes: section("Usual causes"),
        helps: to_do.split_once("\n\n").unwrap_or_default().1,
    }
}

fn page(code: Code, written: &Written<'_>) -> String {
    let facts = code.facts();
    let Written {
        recognised,
        causes,
        helps,
    } = written;
    format!(
        "# `{code}`\n\n{}\n\n{}\n## How it is recognised\n\n{recognised}\n\n## Usual causes\n\n{causes}\n\n\
         ## What goodgate does\n\n{}\n\n## What the caller sees\n\n{}\n\n## What to do\n\n{}\n\n{helps}\n",
        facts.meaning,
        table(facts),
        does(facts),
        sample(facts),
        facts.fix,
    )
}

fn table(facts: &Facts) -> String {
    let fault = match facts.origin {
        Origin::Client => "the caller's",
        Origin::Gateway => "the gateway's: its settings, its limits or its account",
        Origin::Network => "the network's between gateway and upstream",
        Origin::Upstream => "the upstream's",
    };
    let fault = if facts.code == Code::DeadlineExceeded {
        "that of the phase which took longest"
    } else {
        fault
    };
    let proxy = if facts.proxy_status.is_empty() {
        "the received status only".to_owned()
    } else {
        format!("`error={}`", facts.proxy_status)
    };
    format!(
        "| | |\n|---|---|\n| Group | {} |\n| Whose fault | {fault} |\n| HTTP status when nothing is left to try | {} |\n\
         | Same target again | {} |\n| Elsewhere | {} |\n| Executed by the upstream | {} |\n| `Proxy-Status` | {proxy} |\n",
        facts.group,
        facts.http,
        match facts.same {
            Same::No => "no",
            Same::Fresh => "once, on a new connection",
            Same::Backoff => "after a backoff",
            Same::Hint => "after the wait it asks for, else a backoff",
        },
        match facts.other {
            Other::No => "no",
            Other::Key => "another key of the provider",
            Other::Deployment => "another target of the model",
            Other::Provider => "another provider or model",
        },
        match facts.processed {
            Processed::No => "no",
            Processed::Maybe => "perhaps",
            Processed::Yes => "yes, at least in part",
        },
    )
}

fn does(facts: &Facts) -> String {
    if is_refusal(facts.code) {
        let again = if facts.safe == Safe::Always {
            " It may be sent again at a later time."
        } else {
            ""
        };
        return format!("The call is refused before anything is sent to an upstream.{again}");
    }
    let same = match facts.same {
        Same::No => "The same target is not tried again.",
        Same::Fresh => "The same target is tried once more, on a new connection.",
        Same::Backoff => {
            "The same target is tried again after a short random wait: up to 200 ms, doubled each time, at most 5 s."
        }
        Same::Hint => {
            "The same target is tried again after the wait it asks for, or else a short random one."
        }
    };
    let other = match facts.other {
        Other::No => "No other target is tried.",
        Other::Key => {
            "Another key of the same provider is used, or the next target if there is none."
        }
        Other::Deployment => {
            "The call goes on to another target of the model, after 50 ms at most."
        }
        Other::Provider => "The call goes on to a target at another provider or of another model.",
    };
    let executed = match facts.processed {
        Processed::No => "The upstream has not executed the request",
        Processed::Maybe => "The upstream may have executed the request",
        Processed::Yes => "The upstream has executed the request, at least in part",
    };
    let again = match facts.safe {
        Safe::Always => "so it may always be sent again.",
        Safe::Llm => {
            "so it is sent again only where that does no harm: model calls, which at worst cost tokens twice, and on \
             plain routes idempotent methods or calls with an `Idempotency-Key`."
        }
        Safe::Pre => "so it is sent again only while no byte of an answer has reached the caller.",
        Safe::Never => return format!("{same} {other} The request is not sent again."),
    };
    format!("{same} {other} {executed}, {again}")
}

/// Whether the code is given before any attempt.
fn is_refusal(code: Code) -> bool {
    NEVER_JUDGED.contains(&code) && code != Code::IncidentReported
}

/// Codes whose error body is the provider's own.
fn is_passed_on(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidRequest
            | Code::RequestTooLarge
            | Code::ContentFiltered
            | Code::ContextLengthExceeded
    )
}

fn sample(facts: &Facts) -> String {
    let (code, group, origin) = (facts.code, facts.group, facts.origin);
    let headers = format!("x-goodgate-group: {group}\nx-goodgate-code: {code}\nx-request-id: {ID}");
    if code == Code::ClientCancelled {
        return "Nothing, since the caller has left. Log, metrics and the web UI have the call with the status 499.".to_owned();
    }
    let found = corpus::verdict_of(code);
    let Some((verdict, status)) = found else {
        return format!(
            "```text\nHTTP/1.1 {} {}\n{headers}\n```\n\nIn the body, `error.goodgate` has `\"origin\": \"{origin}\"`, \
             `\"group\": \"{group}\"`, `\"code\": \"{code}\"` and `\"retryable\": {}`.",
            facts.http,
            refusal_phrase(code, ID),
            facts.later_may_help(),
        );
    };
    let attempts = [AttemptSummary {
        target: "openai/gpt-5-mini",
        verdict: &verdict,
        status,
    }];
    let line = format!("HTTP/1.1 {} {}", facts.http, reason_phrase(&attempts, ID));
    if is_passed_on(code) {
        return format!(
            "The provider's own error: as it came where caller and provider speak the same dialect, else translated, with \
             the same words in `error.code` and `error.message` where SDKs and agents know them. Beside it:\n\n\
             ```text\n{line}\n{headers}\n```"
        );
    }
    let text = |text: &str| serde_json::to_string(text).expect("text");
    let message = client_message("smart", &attempts, None, ID, 4);
    let fixes = fixes(
        code,
        &Situation {
            alias: "smart",
            ..Situation::default()
        },
    );
    format!(
        "```text\n{line}\n{headers}\n```\n```json\n{{\"error\": {{\n  \"message\": {},\n  \"goodgate\": {{\n    \
         \"origin\": \"{}\", \"group\": \"{group}\", \"code\": \"{code}\", \"retryable\": {},\n    \"attempts\": [{{\"n\": 1, \
         \"target\": \"openai/gpt-5-mini\", \"status\": {}, \"code\": \"{code}\",\n      \"evidence\": {}}}],\n    \"fix\": \
         [{}]\n}}}}}}\n```\n\n(Shortened; `evidence` is left out where `errors.detail` is not `full`.){}",
        text(&message),
        verdict.origin,
        facts.later_may_help(),
        status.map_or_else(|| "null".to_owned(), |status| status.to_string()),
        text(&verdict.evidence_line),
        text(&fixes.join(" ")),
        in_mid_stream(code),
    )
}

/// What is different once content has reached the caller.
fn in_mid_stream(code: Code) -> &'static str {
    match code {
        Code::ResponseReset
        | Code::ResponseTruncated
        | Code::StreamIdleTimeout
        | Code::StreamErrorEvent
        | Code::StreamIncomplete
        | Code::StreamMalformed
        | Code::DeadlineExceeded => {
            "\n\nIn a stream of which the caller has content already, the head has said 200. The stream then ends with the \
             same object as an error event, with `\"output_sent\": true`, and without `[DONE]`."
        }
        _ => "",
    }
}

fn index() -> String {
    let mut index = "# Errors\n\nOne page for each failure code. The same names stand in answers (`error.goodgate.code`, \
                     `x-goodgate-code`), logs, metrics, the web UI and `goodgate explain <code>`.\n\
                     They are stable: new ones may be added, none is renamed.\n"
        .to_owned();
    for group in Group::ALL {
        let codes: Vec<Code> = Code::ALL
            .iter()
            .copied()
            .filter(|code| code.facts().group == *group)
            .collect();
        write!(
            index,
            "\n## {group}\n\n| Code | Meaning | Status | Whose fault |\n|---|---|---|---|\n"
        )
        .expect("a string");
        for code in codes {
            let facts = code.facts();
            let origin = if code == Code::DeadlineExceeded {
                "of its longest phase"
            } else {
                facts.origin.as_str()
            };
            writeln!(
                index,
                "| [`{code}`]({code}.md) | {} | {} | {origin} |",
                facts.meaning, facts.http
            )
            .expect("a string");
        }
    }
    index
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let pages: BTreeSet<String> = fs::read_dir(folder())
        .expect("docs/errors")
        .filter_map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .ok()?
                .strip_suffix(".md")
                .map(str::to_owned)
        })
        .filter(|name| name != "README")
        .collect();
    let codes: BTreeSet<String> = Code::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(pages, codes);
}

#[test]
fn every_page_says_what_the_table_says_and_more() {
    for code in Code::ALL {
        let found = code.page();
        let written = written(found);
        for text in [written.recognised, written.causes, written.helps] {
            assert!(text.len() > 20, "{code}: a section is missing or empty");
        }
        assert_eq!(
            found,
            page(*code, &written),
            "docs/errors/{code}.md is behind"
        );
    }
}

#[test]
fn the_index_is_fresh() {
    let found = fs::read_to_string(folder().join("README.md")).expect("docs/errors/README.md");
    assert_eq!(found, index(), "docs/errors/README.md is behind");
}
