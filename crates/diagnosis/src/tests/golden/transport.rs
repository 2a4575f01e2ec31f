//! What the transport shows: connections, TLS, cuts, timers.

use std::time::Duration;

use super::{JSON, answer, fault, with};
use crate::cause::Code;
use crate::evidence::{CertificateFault, Evidence, Fault, LimitFired, Phase};

#[rustfmt::skip]
pub(super) fn tls() -> Vec<(Evidence, Code)> {
    let text = str::to_owned;
    let now = 1_790_000_000;
    let tls = |of: Fault| fault(Phase::Tls, of);
    let certificate = |of: CertificateFault| tls(Fault::TlsCertificate(of));
    let plain = |bytes: &[u8]| tls(Fault::TlsNotTls { first_bytes: bytes.to_vec() });
    let odd = |bytes: &[u8]| fault(Phase::Headers, Fault::NotHttp { first_bytes: bytes.to_vec() });
    let mut cases = vec![
        (tls(Fault::TlsTimeout), Code::TlsHandshakeTimeout),
        (tls(Fault::Closed), Code::ConnectionClosed),
        (tls(Fault::Reset), Code::ConnectionReset),
        (with(tls(Fault::Closed), |evidence| evidence.bytes.received = 90), Code::ConnectionClosed),
        (certificate(CertificateFault::Expired { not_after: Some(now - 86_400), now }), Code::TlsCertExpired),
        (certificate(CertificateFault::NotYetValid { not_before: None, now }), Code::TlsCertExpired),
        (certificate(CertificateFault::Name { wanted: text("a.example"), presented: vec![] }), Code::TlsCertNameMismatch),
        (certificate(CertificateFault::Untrusted { detail: text("UnknownIssuer") }), Code::TlsCertUntrusted),
        (certificate(CertificateFault::Other { detail: text("BadEncoding") }), Code::TlsCertUntrusted),
        (tls(Fault::TlsOther { detail: text("no cipher suites in common") }), Code::TlsHandshakeFailure),
        (tls(Fault::TlsOther { detail: text("no ALPN protocol of ours") }), Code::TlsAlpnMismatch),
        (tls(Fault::AlpnMismatch { offered: "h2", chosen: None }), Code::TlsAlpnMismatch),
        (plain(b"HTTP/1.1 400 Bad Request"), Code::TlsToPlaintextPort),
        (plain(b"<html>"), Code::TlsToPlaintextPort),
        (plain(b"H"), Code::TlsToPlaintextPort),
        (plain(b"N"), Code::NotHttp),
        (plain(b"SSH-2.0-OpenSSH"), Code::NotHttp),
        (plain(&[0, 1, 2, 3]), Code::NotHttp),
        (plain(&[]), Code::NotHttp),
        (odd(&[0x15, 3, 1, 0, 2]), Code::PlaintextToTlsPort),
        (odd(&[0, 0, 6, 4, 0]), Code::NotHttp),
        (odd(b"SSH-2.0"), Code::NotHttp),
    ];
    for (number, code) in [
        (40, Code::TlsHandshakeFailure), (47, Code::TlsHandshakeFailure), (70, Code::TlsHandshakeFailure),
        (71, Code::TlsHandshakeFailure), (80, Code::TlsHandshakeFailure), (116, Code::TlsHandshakeFailure),
        (42, Code::TlsHandshakeFailure), (48, Code::TlsHandshakeFailure), (112, Code::TlsCertNameMismatch),
        (120, Code::TlsAlpnMismatch),
    ] {
        cases.push((tls(Fault::TlsAlert { number }), code));
        cases.push((fault(Phase::Headers, Fault::TlsAlert { number }), code));
    }
    cases
}

#[rustfmt::skip]
pub(super) fn transport() -> Vec<(Evidence, Code)> {
    let text = str::to_owned;
    let begun = |evidence| with(evidence, |evidence: &mut Evidence| evidence.bytes.received = 90);
    let lengths = Fault::Framing { what: "content-length", offending: b"5, 6".to_vec() };
    vec![
        (fault(Phase::Dns, Fault::DnsNotFound), Code::DnsNameNotFound),
        (fault(Phase::Dns, Fault::DnsFailed { detail: text("SERVFAIL") }), Code::DnsFailure),
        (fault(Phase::Dns, Fault::DnsTimeout), Code::DnsFailure),
        (fault(Phase::Connect, Fault::Refused), Code::ConnectionRefused),
        (fault(Phase::Connect, Fault::Unreachable { errno: 113 }), Code::HostUnreachable),
        (fault(Phase::Connect, Fault::Unreachable { errno: 99 }), Code::HostUnreachable),
        (fault(Phase::Connect, Fault::FamilyUnavailable), Code::AddressFamilyUnavailable),
        (fault(Phase::Connect, Fault::LocalResource { errno: 24 }), Code::ResourceExhausted),
        (fault(Phase::Connect, Fault::LocalResource { errno: 99 }), Code::ResourceExhausted),
        (fault(Phase::Connect, Fault::ConnectTimeout), Code::ConnectionTimeout),
        (fault(Phase::Connect, Fault::Reset), Code::ConnectionReset),
        (fault(Phase::Send, Fault::Closed), Code::ConnectionClosed),
        (fault(Phase::Send, Fault::Reset), Code::ConnectionReset),
        (fault(Phase::Send, Fault::WriteTimeout), Code::ConnectionWriteTimeout),
        (fault(Phase::Headers, Fault::Http2Reset { reason: 7 }), Code::H2StreamReset),
        (fault(Phase::Body, Fault::Http2Reset { reason: 2 }), Code::H2StreamReset),
        (fault(Phase::Headers, Fault::Http2GoAway { reason: 0, processed: false }), Code::Draining),
        (fault(Phase::Headers, Fault::Http2GoAway { reason: 0, processed: true }), Code::H2StreamReset),
        (fault(Phase::Headers, Fault::Http2GoAway { reason: 11, processed: false }), Code::H2StreamReset),
        (fault(Phase::Send, Fault::BodyNotReplayable), Code::ConnectionClosed),
        (fault(Phase::Headers, Fault::Closed), Code::ConnectionClosed),
        (fault(Phase::Headers, Fault::Reset), Code::ConnectionReset),
        (begun(fault(Phase::Headers, Fault::Closed)), Code::ResponseTruncated),
        (begun(fault(Phase::Headers, Fault::Reset)), Code::ResponseReset),
        (fault(Phase::Headers, Fault::HeaderTimeout), Code::ResponseHeaderTimeout),
        (fault(Phase::Headers, Fault::HeadTooLarge { limit: 65_536 }), Code::ResponseHeaderTooLarge),
        (fault(Phase::Headers, lengths), Code::ProtocolError),
        (fault(Phase::Headers, Fault::ClientGone), Code::ClientCancelled),
        (fault(Phase::Headers, Fault::Internal { detail: text("a bug") }), Code::GatewayInternalError),
        (Evidence::default(), Code::GatewayInternalError),
    ]
}

pub(super) fn answers_cut_short() -> Vec<(Evidence, Code)> {
    let ends = |status: u16, phase: Phase, of: Fault| {
        with(answer(status, JSON, ""), |evidence| {
            evidence.phase = phase;
            evidence.fault = Some(of);
            evidence.bytes.received = 400;
        })
    };
    let early = |status: u16, of: Fault| {
        with(ends(status, Phase::Body, of), |evidence| {
            evidence.times.sent = None
        })
    };
    let decode = Fault::Decode {
        encoding: "gzip".to_owned(),
        detail: "bad checksum".to_owned(),
    };
    let chunk = Fault::Framing {
        what: "chunk size",
        offending: b"zz".to_vec(),
    };
    vec![
        (ends(200, Phase::Body, Fault::Reset), Code::ResponseReset),
        (ends(200, Phase::Stream, Fault::Reset), Code::ResponseReset),
        (
            ends(200, Phase::Body, Fault::Closed),
            Code::ResponseTruncated,
        ),
        (
            ends(200, Phase::Body, Fault::BodyTruncated),
            Code::ResponseTruncated,
        ),
        (
            ends(200, Phase::Stream, Fault::BodyTruncated),
            Code::ResponseTruncated,
        ),
        (
            ends(200, Phase::Body, Fault::TlsAlert { number: 80 }),
            Code::ResponseReset,
        ),
        (
            ends(503, Phase::Body, Fault::BodyTruncated),
            Code::ResponseTruncated,
        ),
        (early(413, Fault::Reset), Code::RequestTooLarge),
        (early(413, Fault::Closed), Code::RequestTooLarge),
        (early(429, Fault::BodyTruncated), Code::RateLimited),
        (early(200, Fault::Reset), Code::ResponseReset),
        (ends(200, Phase::Body, chunk), Code::ProtocolError),
        (ends(200, Phase::Body, decode), Code::DecodeError),
        (
            ends(200, Phase::Body, Fault::BodyTooLarge { limit: 1 << 25 }),
            Code::InvalidBody,
        ),
        (
            ends(200, Phase::Body, Fault::IdleTimeout),
            Code::StreamIdleTimeout,
        ),
        (
            ends(200, Phase::Stream, Fault::IdleTimeout),
            Code::StreamIdleTimeout,
        ),
        (
            ends(200, Phase::Stream, Fault::FirstTokenTimeout),
            Code::FirstTokenTimeout,
        ),
        (
            ends(200, Phase::Stream, Fault::ClientGone),
            Code::ClientCancelled,
        ),
    ]
}

pub(super) fn deadlines() -> Vec<(Evidence, Code)> {
    let millis = Duration::from_millis;
    // When the attempt began in the call, and when the request was sent and the deadline struck in the attempt.
    let reached = |phase: Phase, age: Option<u64>, sent: u64, end: u64| {
        with(fault(phase, Fault::Deadline), |evidence| {
            evidence.times.sent = Some(millis(sent));
            evidence.times.end = Some(millis(end));
            evidence.limit = Some(LimitFired {
                name: "total",
                value: millis(end - sent),
            });
            evidence.call_age = age.map(millis);
        })
    };
    let flowing = with(reached(Phase::Stream, Some(0), 1, 1000), |evidence| {
        evidence.times.first_byte = Some(Duration::from_millis(2));
        evidence.times.first_token = Some(Duration::from_millis(3));
    });
    vec![
        (
            reached(Phase::Headers, Some(0), 10, 1000),
            Code::ResponseHeaderTimeout,
        ),
        (
            reached(Phase::Headers, Some(0), 500, 1000),
            Code::DeadlineExceeded,
        ),
        (
            reached(Phase::Headers, None, 10, 1000),
            Code::DeadlineExceeded,
        ),
        (
            reached(Phase::Headers, Some(9000), 10, 1000),
            Code::DeadlineExceeded,
        ),
        (
            reached(Phase::Stream, Some(20), 10, 1000),
            Code::FirstTokenTimeout,
        ),
        (
            reached(Phase::Send, Some(0), 10, 1000),
            Code::ConnectionWriteTimeout,
        ),
        (
            reached(Phase::Connect, Some(0), 0, 1000),
            Code::ConnectionTimeout,
        ),
        (
            reached(Phase::Tls, Some(0), 0, 1000),
            Code::TlsHandshakeTimeout,
        ),
        (reached(Phase::Dns, Some(0), 0, 1000), Code::DnsFailure),
        (flowing, Code::DeadlineExceeded),
    ]
}
