//! The evidence in one line: short for the caller, full for the operator.

use std::time::Duration;

use crate::cause::Code;
use crate::evidence::{AnswerHead, CertificateFault, ContentFault, Evidence, Fault, Phase};
use crate::excerpt::{clip, machine_word, mask};
use crate::rules::edge::has_type;
use crate::rules::pool::is_early_refusal;
use crate::serial::escape;

/// The most bytes of the caller's line.
const LONGEST: usize = 200;

/// For the caller: no address, no host name, no free text of an upstream.
pub(crate) fn short(_code: Code, evidence: &Evidence) -> String {
    let mut parts = vec![];
    match &evidence.fault {
        Some(Fault::Content(fault)) => {
            parts.push(content(fault));
            parts.extend(answer(evidence));
        }
        Some(_) if is_early_refusal(evidence) => {
            parts.extend(answer(evidence));
            parts.push("before the request was sent whole".to_owned());
        }
        Some(fault) => parts.push(happened(fault, evidence)),
        None => parts.extend(answer(evidence)),
    }
    if evidence.timer_from_caller && evidence.limit.is_some() {
        parts.push("limit set by the caller".to_owned());
    }
    if parts.is_empty() {
        parts.push("nothing that went wrong is recorded".to_owned());
    }
    clip(&parts.join(", "), LONGEST)
}

/// For the operator: the same with addresses, names and times.
pub(crate) fn full(code: Code, evidence: &Evidence) -> String {
    let mut line = short(code, evidence);
    let mut add = |text: String| {
        line.push_str("; ");
        line.push_str(&text);
    };
    names(evidence).into_iter().for_each(&mut add);
    match (&evidence.peer, evidence.addresses.as_slice()) {
        (_, [_, _, ..]) => {
            let tried: Vec<String> = evidence
                .addresses
                .iter()
                .map(|tried| {
                    format!(
                        "{} {} in {} ms",
                        tried.address,
                        mask(&tried.result),
                        tried.ms
                    )
                })
                .collect();
            add(tried.join(", "));
        }
        (Some(peer), _) => add(format!("peer {peer}")),
        (None, [tried]) => add(format!("{} {}", tried.address, mask(&tried.result))),
        (None, []) => {}
    }
    if let Some(version) = evidence.tls_version.as_deref().and_then(machine_word) {
        add(version.to_owned());
    }
    let bytes = &evidence.bytes;
    if bytes.sent > 0 {
        let acked = bytes
            .acked
            .map(|acked| format!(" ({acked} acknowledged)"))
            .unwrap_or_default();
        add(format!(
            "{} bytes sent{acked}, {} received",
            bytes.sent, bytes.received
        ));
    }
    if evidence.reused {
        add("reused connection".to_owned());
    }
    if let Some(id) = evidence
        .head
        .as_ref()
        .and_then(|head| head.upstream_request_id.as_deref())
    {
        add(format!("upstream request id {}", mask(&clip(id, 80))));
    }
    line
}

/// What a list of attempts adds in brackets to a status.
pub(crate) fn note(evidence: &Evidence) -> Option<&'static str> {
    let head = evidence.head.as_ref()?;
    let page = evidence.page_title.is_some() || has_type(head, "html");
    page.then_some("HTML page")
}

/// What the transport did.
fn happened(fault: &Fault, evidence: &Evidence) -> String {
    let received = evidence.bytes.received;
    match fault {
        Fault::DnsNotFound => "the name has no address".to_owned(),
        Fault::DnsFailed { detail } => with_detail("the resolver failed", detail),
        Fault::DnsTimeout => format!("no answer of the resolver{}", within(evidence)),
        Fault::Refused => format!("connection refused{}", took(evidence)),
        Fault::Unreachable { errno } => format!("no route to the address (errno {errno})"),
        Fault::FamilyUnavailable => "only the other family of addresses answers".to_owned(),
        Fault::LocalResource { errno } => {
            format!("the gateway's host has no resource left (errno {errno})")
        }
        Fault::ConnectTimeout => format!("no SYN-ACK{}", within(evidence)),
        Fault::TlsTimeout => format!("TLS handshake not finished{}", within(evidence)),
        Fault::WriteTimeout => format!(
            "{} bytes sent, then no progress{}",
            evidence.bytes.sent,
            within(evidence).replace(" in ", " for ")
        ),
        Fault::HeaderTimeout => format!("no complete head of an answer{}", within(evidence)),
        Fault::FirstTokenTimeout => format!("no content event{}", within(evidence)),
        Fault::IdleTimeout => format!(
            "{received} bytes received, then silence{}",
            within(evidence).replace(" in ", " for ")
        ),
        Fault::Deadline => {
            let after = took(evidence).replace(" in ", ", after ");
            format!(
                "the call's deadline struck in phase {}{after}",
                evidence.phase
            )
        }
        Fault::Closed => format!(
            "connection closed in phase {}, {received} bytes received",
            evidence.phase
        ),
        Fault::Reset => format!(
            "connection reset in phase {}, {received} bytes received",
            evidence.phase
        ),
        Fault::TlsAlert { number } => format!("TLS alert {number} ({})", alert_name(*number)),
        Fault::TlsCertificate(fault) => certificate(fault),
        Fault::TlsNotTls { first_bytes } | Fault::NotHttp { first_bytes } => {
            format!("answer begins with \"{}\"", escape(first_bytes, 24))
        }
        Fault::AlpnMismatch { offered, chosen } => match chosen {
            Some(chosen) => format!(
                "offered {offered}, the peer chose {}",
                clip(&mask(chosen), 24)
            ),
            None => format!("offered {offered}, the peer chose no protocol"),
        },
        Fault::Http2Reset { reason } => format!(
            "HTTP/2 stream reset: {} ({reason}), {received} bytes received",
            http2_reason(*reason)
        ),
        Fault::Http2GoAway { reason, processed } => format!(
            "HTTP/2 GOAWAY: {} ({reason}), our stream {}",
            http2_reason(*reason),
            if *processed { "cut off" } else { "not begun" }
        ),
        Fault::TlsOther { detail } => with_detail("TLS failed", detail),
        Fault::HeadTooLarge { limit } => format!("head over the limit of {limit}"),
        Fault::Framing { what, offending } => {
            format!("invalid {what}: \"{}\"", escape(offending, 24))
        }
        Fault::BodyTruncated => {
            format!("end of file after {received} bytes, before the answer's end")
        }
        Fault::BodyTooLarge { limit } => format!("body over the limit of {limit} bytes"),
        Fault::Decode { encoding, detail } => with_detail(
            &format!("{} does not decode", clip(&mask(encoding), 24)),
            detail,
        ),
        Fault::Content(fault) => content(fault),
        Fault::ClientGone => format!("the caller left in phase {}", evidence.phase),
        Fault::BodyNotReplayable => {
            "connection closed, and the request's body is no longer there to send again".to_owned()
        }
        Fault::Internal { .. } => "a bug of the gateway".to_owned(),
    }
}

/// What the answer said.
fn answer(evidence: &Evidence) -> Vec<String> {
    let Some(head) = evidence.head.as_ref() else {
        return vec![];
    };
    let mut parts = vec![kind_of(head)];
    if evidence.bytes.received > 0 {
        parts.push(format!("{} bytes", evidence.bytes.received));
    }
    parts.extend(
        head.server
            .as_deref()
            .map(|server| format!("server: {}", clip(&mask(server), 40))),
    );
    parts.extend(
        head.cf_ray
            .as_deref()
            .and_then(machine_word)
            .map(|ray| format!("cf-ray {ray}")),
    );
    if (300..400).contains(&head.status) && head.location.is_some() {
        parts.push(format!("{} to another place", head.status));
    }
    match (&evidence.signal, &evidence.page_title, &evidence.excerpt) {
        (Some(signal), _, _) => {
            let named = [
                ("type", &signal.kind),
                ("code", &signal.code),
                ("param", &signal.param),
            ];
            let words = named.iter().filter_map(|(name, word)| {
                Some(format!("{name} {}", machine_word(word.as_deref()?)?))
            });
            parts.extend(words);
            let message = signal
                .message
                .as_deref()
                .and_then(crate::excerpt::known_message);
            parts.extend(message.map(|message| format!("\"{message}\"")));
        }
        (None, Some(title), _) => parts.push(format!("title \"{title}\"")),
        (None, None, Some(excerpt)) => parts.push(excerpt.clone()),
        (None, None, None) => {}
    }
    if let Some(wait) = evidence.hint() {
        parts.push(format!("retry after {} ms", wait.as_millis()));
    }
    parts
}

/// The content type without its parameters.
fn kind_of(head: &AnswerHead) -> String {
    let kind = head.content_type.as_deref().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    machine_word(kind).map_or_else(|| format!("status {}", head.status), str::to_owned)
}

fn content(fault: &ContentFault) -> String {
    match fault {
        ContentFault::Html => "a web page under a status of success".to_owned(),
        ContentFault::Empty => "an empty body".to_owned(),
        ContentFault::NotJson { at } => format!("no JSON from byte {at}"),
        ContentFault::WrongShape { what } => {
            format!("JSON of another shape: {}", clip(&mask(what), 60))
        }
        ContentFault::ErrorObject => "an error object under a status of success".to_owned(),
        ContentFault::StreamError => "an error event in the stream".to_owned(),
        ContentFault::StreamIncomplete => "the stream ended without its terminal event".to_owned(),
        ContentFault::StreamMalformed { event, what } => {
            format!("event {event}: {}", clip(&mask(what), 60))
        }
        ContentFault::EventTooLarge { limit } => {
            format!("an event over the limit of {limit} bytes")
        }
    }
}

fn certificate(fault: &CertificateFault) -> String {
    let days = |seconds: i64| match (seconds / 86_400).max(0) {
        0 => "less than a day".to_owned(),
        1 => "a day".to_owned(),
        days => format!("{days} days"),
    };
    match fault {
        CertificateFault::Expired {
            not_after: Some(end),
            now,
        } => {
            format!(
                "the certificate expired {} ago by our clock",
                days(now.saturating_sub(*end))
            )
        }
        CertificateFault::Expired { .. } => "the certificate has expired".to_owned(),
        CertificateFault::NotYetValid {
            not_before: Some(start),
            now,
        } => {
            format!(
                "the certificate is valid only in {} by our clock",
                days(start.saturating_sub(*now))
            )
        }
        CertificateFault::NotYetValid { .. } => "the certificate is not valid yet".to_owned(),
        CertificateFault::Name { .. } => "the certificate is for other names".to_owned(),
        CertificateFault::Untrusted { detail } => {
            with_detail("the certificate's issuer is not trusted", detail)
        }
        CertificateFault::Other { detail } => with_detail("the certificate was refused", detail),
    }
}

/// What only the operator may see: host names and where a redirect leads.
fn names(evidence: &Evidence) -> Vec<String> {
    let mut names = vec![];
    if let Some(Fault::TlsCertificate(CertificateFault::Name { wanted, presented })) =
        &evidence.fault
    {
        let presented: Vec<String> = presented
            .iter()
            .take(5)
            .map(|name| clip(&mask(name), 80))
            .collect();
        names.push(format!(
            "wanted {}, got {}",
            clip(&mask(wanted), 80),
            presented.join(" ")
        ));
    }
    if let Some(Fault::Internal { detail }) = &evidence.fault {
        names.push(clip(&mask(detail), 200));
    }
    if let Some(location) = evidence
        .head
        .as_ref()
        .and_then(|head| head.location.as_deref())
    {
        let path = location.split(['?', '#']).next().unwrap_or_default();
        names.push(format!("location {}", clip(&mask(path), 120)));
    }
    names
}

fn with_detail(what: &str, detail: &str) -> String {
    if detail.is_empty() {
        what.to_owned()
    } else {
        format!("{what} ({})", clip(&mask(detail), 80))
    }
}

/// The limit that fired, or the time that had passed.
fn within(evidence: &Evidence) -> String {
    evidence.limit.map_or_else(
        || took(evidence),
        |limit| format!(" in {} ms", limit.value.as_millis()),
    )
}

fn took(evidence: &Evidence) -> String {
    let start = match evidence.phase {
        Phase::Connect => evidence.times.dns.unwrap_or(Duration::ZERO),
        _ => Duration::ZERO,
    };
    let text = |end: Duration| format!(" in {} ms", end.saturating_sub(start).as_millis());
    evidence.times.end.map(text).unwrap_or_default()
}

/// Source: RFC 8446, section 6; RFC 5246, section 7.2; the registry of TLS alerts.
/// Source: RFC 9113, section 7.
fn http2_reason(number: u32) -> &'static str {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    NAMES.get(place).copied().unwrap_or("unknown")
}

fn alert_name(number: u8) -> &'static str {
    match number {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        109 => "missing_extension",
        110 => "unsupported_extension",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => "unknown",
    }
}
