//! What the provider says: its own reading of its errors, then the words, then the message patterns all providers share.

use crate::cause::Code;
use crate::evidence::{ContentFault, Evidence, Fault, Signal};
use crate::rules::edge::has_type;
use crate::signals::{self, Form, lower};

pub(super) fn code(evidence: &Evidence) -> Option<Code> {
    let status = evidence
        .status()
        .filter(|status| is_failure(*status, evidence))?;
    let empty = Signal::default();
    let signal = evidence.signal.as_ref().unwrap_or(&empty);
    let message = lower(signal.message.as_deref().unwrap_or_default());
    let said: Vec<&str> = [&signal.kind, &signal.code]
        .into_iter()
        .filter_map(Option::as_deref)
        .collect();
    let texts = texts(evidence, &message);
    let table = signals::table();
    let by_phrase = table.phrase(&texts, form(evidence), status);
    let found = signal
        .concluded
        .or_else(|| table.word(&said, &message, status))
        .or_else(|| page_of_maintenance(evidence, status))
        .or(by_phrase);
    match found {
        Some(Code::RateLimited) if is_quota(evidence, signal, &texts, status) => {
            Some(Code::QuotaExhausted)
        }
        // Region before permission, maintenance before overload, whoever said the other.
        Some(Code::PermissionDenied) if by_phrase == Some(Code::RegionBlocked) => {
            Some(Code::RegionBlocked)
        }
        Some(Code::UpstreamOverloaded | Code::ServiceUnavailable)
            if by_phrase == Some(Code::ScheduledMaintenance) =>
        {
            Some(Code::ScheduledMaintenance)
        }
        Some(code) => Some(code),
        None if is_success(status) => {
            inner_status(signal).or_else(|| table.generic(&said, &message))
        }
        None => None,
    }
}

/// Errors inside a success count, but only before the first content: after it the stream's own code says more.
fn is_failure(status: u16, evidence: &Evidence) -> bool {
    if !is_success(status) {
        return true;
    }
    match evidence.fault {
        Some(Fault::Content(ContentFault::ErrorObject)) => true,
        Some(Fault::Content(ContentFault::StreamError)) => evidence.times.first_token.is_none(),
        _ => false,
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Quota before rate limit: both come as 429, and only one may be tried again.
///
/// Google's APIs say "exceeded your current quota" of a limit per minute, too; there a delay to wait means a rate.
fn is_quota(evidence: &Evidence, signal: &Signal, texts: &[String], status: u16) -> bool {
    let googles = signal.kind.as_deref() == Some("RESOURCE_EXHAUSTED");
    let words_of_money = ["prepayment credits", "spending cap"];
    if googles && evidence.hint().is_some() {
        return texts
            .iter()
            .any(|text| words_of_money.iter().any(|words| text.contains(words)));
    }
    let said: Vec<&str> = [&signal.kind, &signal.code]
        .into_iter()
        .filter_map(Option::as_deref)
        .collect();
    let table = signals::table();
    table.word(&said, "", status) == Some(Code::QuotaExhausted)
        || table.phrase(texts, form(evidence), status) == Some(Code::QuotaExhausted)
}

/// Maintenance words in a page's title or a header count under every status of a server's failure. Never in a 2xx.
fn page_of_maintenance(evidence: &Evidence, status: u16) -> Option<Code> {
    let head = evidence.head.as_ref()?;
    let title = lower(evidence.page_title.as_deref().unwrap_or_default());
    let said = title.contains("maintenance") || (status == 503 && head.maintenance_header);
    (said && (500..600).contains(&status)).then_some(Code::ScheduledMaintenance)
}

/// Gateways of models hide a failed upstream's status in a success: `{"error":{"code":502}}`.
fn inner_status(signal: &Signal) -> Option<Code> {
    let status: u16 = signal.code.as_deref()?.parse().ok()?;
    (400..600)
        .contains(&status)
        .then(|| super::status::by_number(status))
}

/// Where phrases are looked for, lower case.
fn texts(evidence: &Evidence, message: &str) -> Vec<String> {
    let mut texts = vec![message.to_owned()];
    texts.extend(
        [&evidence.page_title, &evidence.excerpt]
            .into_iter()
            .flatten()
            .map(|text| lower(text)),
    );
    texts
}

fn form(evidence: &Evidence) -> Form {
    let page = evidence
        .head
        .as_ref()
        .is_some_and(|head| has_type(head, "html"));
    if page || evidence.page_title.is_some() {
        Form::Page
    } else {
        Form::Message
    }
}
