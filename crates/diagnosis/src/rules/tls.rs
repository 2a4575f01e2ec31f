//! TLS: certificates, alerts, and the two ways of speaking the wrong protocol to a port.

use crate::cause::Code;
use crate::evidence::{CertificateFault, Evidence, Fault};

/// Alert `unrecognized_name`. Source: RFC 8446, section 6.
const UNRECOGNIZED_NAME: u8 = 112;
/// Alert `no_application_protocol`. Source: RFC 7301, section 3.2.
const NO_APPLICATION_PROTOCOL: u8 = 120;

pub(super) fn code(evidence: &Evidence) -> Option<Code> {
    match evidence.fault.as_ref()? {
        Fault::TlsTimeout => Some(Code::TlsHandshakeTimeout),
        Fault::TlsCertificate(fault) => Some(certificate(fault)),
        // An alert counts until the answer has begun: under TLS 1.3 that for a missing client certificate comes after
        // our side's handshake is done. Later it is an abort like any other.
        Fault::TlsAlert { .. } if evidence.head.is_some() => Some(Code::ResponseReset),
        Fault::TlsAlert { number } => Some(alert(*number)),
        Fault::TlsNotTls { first_bytes } => Some(plain_answer(first_bytes)),
        Fault::AlpnMismatch { .. } => Some(Code::TlsAlpnMismatch),
        Fault::TlsOther { detail } => Some(other(detail)),
        Fault::NotHttp { first_bytes } => Some(no_http(first_bytes)),
        _ => None,
    }
}

fn certificate(fault: &CertificateFault) -> Code {
    match fault {
        CertificateFault::Expired { .. } | CertificateFault::NotYetValid { .. } => {
            Code::TlsCertExpired
        }
        CertificateFault::Name { .. } => Code::TlsCertNameMismatch,
        CertificateFault::Untrusted { .. } | CertificateFault::Other { .. } => {
            Code::TlsCertUntrusted
        }
    }
}

fn alert(number: u8) -> Code {
    match number {
        UNRECOGNIZED_NAME => Code::TlsCertNameMismatch,
        NO_APPLICATION_PROTOCOL => Code::TlsAlpnMismatch,
        _ => Code::TlsHandshakeFailure,
    }
}

/// How servers of other protocols in text begin: SSH, SMTP and FTP, POP3, IMAP, Redis, VNC.
const GREETINGS: [&[u8]; 7] = [b"SSH-", b"220", b"+OK", b"* ", b"-ERR", b"-NOAUTH", b"RFB "];

/// Text in answer to a `ClientHello` is an HTTP server's complaint, save where it is a greeting of another protocol.
fn plain_answer(first_bytes: &[u8]) -> Code {
    let text = first_bytes
        .iter()
        .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace() || *byte >= 0x80);
    let greets = GREETINGS
        .iter()
        .any(|greeting| first_bytes.starts_with(greeting));
    // One letter is no complaint (PostgreSQL declines TLS with `N`), save where HTTP or a page may begin so and drips.
    let says_something = first_bytes.len() > 1 || matches!(first_bytes, b"H" | b"<");
    if text && says_something && !greets {
        Code::TlsToPlaintextPort
    } else {
        Code::NotHttp
    }
}

fn other(detail: &str) -> Code {
    let detail = detail.to_ascii_lowercase();
    if detail.contains("alpn") || detail.contains("application protocol") {
        Code::TlsAlpnMismatch
    } else {
        Code::TlsHandshakeFailure
    }
}

/// A TLS alert (record type 21, version 3.x) in answer to a plain request.
fn no_http(first_bytes: &[u8]) -> Code {
    if first_bytes.starts_with(&[0x15, 0x03]) {
        Code::PlaintextToTlsPort
    } else {
        Code::NotHttp
    }
}
