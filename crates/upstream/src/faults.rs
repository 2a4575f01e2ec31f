//! What the system, TLS and headers say, in the words of `diagnosis`.

use std::io;
use std::time::Duration;

use diagnosis::{AnswerHead, CertificateFault, Fault};
use http::StatusCode;
use http1::Headers;
use nix::errno::Errno;
use rustls::CertificateError;

use crate::connection::Opening;

/// Why a connection could not be opened.
pub(crate) fn connect_fault(error: &io::Error, v6: bool) -> Fault {
    let Some(errno) = error.raw_os_error() else {
        return match error.kind() {
            io::ErrorKind::ConnectionRefused => Fault::Refused,
            io::ErrorKind::TimedOut => Fault::ConnectTimeout,
            _ => Fault::Internal {
                detail: format!("connect: {error}"),
            },
        };
    };
    match Errno::from_raw(errno) {
        Errno::ECONNREFUSED => Fault::Refused,
        Errno::ECONNRESET | Errno::EPIPE | Errno::ECONNABORTED => Fault::Reset,
        Errno::ETIMEDOUT => Fault::ConnectTimeout,
        Errno::EAFNOSUPPORT => Fault::FamilyUnavailable,
        // Over IPv4 it means that no source port is left; over IPv6 that there is no address to send from.
        Errno::EADDRNOTAVAIL if !v6 => Fault::LocalResource { errno },
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS => {
            Fault::LocalResource { errno }
        }
        _ => Fault::Unreachable { errno },
    }
}

/// Why an open connection failed under a read or a write, TLS aside.
pub(crate) fn socket_fault(error: &io::Error) -> Fault {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(errno @ (Errno::ENOMEM | Errno::ENOBUFS)) => Fault::LocalResource {
            errno: errno as i32,
        },
        // ETIMEDOUT (nothing acknowledged any more) and ICMP errors end an open connection like a reset:
        // the peer may well have had the request.
        Some(_) => Fault::Reset,
        None if error.kind() == io::ErrorKind::UnexpectedEof => Fault::Closed,
        None => Fault::Reset,
    }
}

/// The alert of the peer's in a TLS error, if that is what it is.
pub(crate) fn alert(error: &io::Error) -> Option<u8> {
    match tls_error(error)? {
        rustls::Error::AlertReceived(alert) => Some(u8::from(*alert)),
        _ => None,
    }
}

pub(crate) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>()
}

/// Why a handshake failed.
pub(crate) fn handshake_fault(error: &io::Error, opening: Opening<'_>, now_unix: i64) -> Fault {
    let Some(tls) = tls_error(error) else {
        return socket_fault(error);
    };
    if let rustls::Error::AlertReceived(alert) = tls {
        return Fault::TlsAlert {
            number: u8::from(*alert),
        };
    }
    if let rustls::Error::InvalidCertificate(certificate) = tls {
        return Fault::TlsCertificate(certificate_fault(certificate, now_unix));
    }
    if !opening.looks_like_tls() {
        return Fault::TlsNotTls {
            first_bytes: opening.0.to_vec(),
        };
    }
    match tls {
        rustls::Error::NoApplicationProtocol => Fault::TlsAlert { number: 120 },
        other => Fault::TlsOther {
            detail: other.to_string(),
        },
    }
}

fn certificate_fault(error: &CertificateError, now_unix: i64) -> CertificateFault {
    let seconds = |time: &rustls::pki_types::UnixTime| i64::try_from(time.as_secs()).ok();
    match error {
        CertificateError::ExpiredContext { time, not_after } => CertificateFault::Expired {
            not_after: seconds(not_after),
            now: seconds(time).unwrap_or(now_unix),
        },
        CertificateError::Expired => CertificateFault::Expired {
            not_after: None,
            now: now_unix,
        },
        CertificateError::NotValidYetContext { time, not_before } => {
            CertificateFault::NotYetValid {
                not_before: seconds(not_before),
                now: seconds(time).unwrap_or(now_unix),
            }
        }
        CertificateError::NotValidYet => CertificateFault::NotYetValid {
            not_before: None,
            now: now_unix,
        },
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => CertificateFault::Name {
            wanted: expected.to_str().into_owned(),
            presented: presented.iter().map(|name| plain_name(name)).collect(),
        },
        CertificateError::NotValidForName => CertificateFault::Name {
            wanted: String::new(),
            presented: Vec::new(),
        },
        CertificateError::UnknownIssuer => CertificateFault::Untrusted {
            detail: "signed by an issuer that is not trusted, or an intermediate is missing"
                .to_owned(),
        },
        CertificateError::BadSignature => CertificateFault::Untrusted {
            detail: "its signature does not verify".to_owned(),
        },
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            CertificateFault::Untrusted {
                detail: "self-signed".to_owned(),
            }
        }
        other => CertificateFault::Other {
            detail: other.to_string(),
        },
    }
}

/// `DnsName("a.example")` as the verifier writes it, without its wrapping.
fn plain_name(written: &str) -> String {
    let inner = written.split_once('(').map_or(written, |(_, rest)| rest);
    inner.trim_end_matches(')').trim_matches('"').to_owned()
}

/// What a diagnosis needs of an answer's head.
///
/// [`crate::Client::send`] fills it in for statuses other than 2xx; who finds fault with a 2xx calls this.
#[must_use]
pub fn head_facts(status: StatusCode, headers: &Headers, now_unix: i64) -> AnswerHead {
    let text = |name: &str| headers.text(name);
    let owned = |name: &str| text(name).map(str::to_owned);
    AnswerHead {
        status: status.as_u16(),
        content_type: owned("content-type"),
        server: owned("server"),
        upstream_request_id: [
            "x-request-id",
            "request-id",
            "x-amzn-requestid",
            "apim-request-id",
        ]
        .into_iter()
        .find_map(owned),
        cf_ray: owned("cf-ray"),
        location: text("location").map(|place| {
            place
                .split(['?', '#'])
                .next()
                .unwrap_or_default()
                .to_owned()
        }),
        maintenance_header: headers.contains("x-maintenance"),
        envoy_overloaded: headers.contains("x-envoy-overloaded"),
        proxy_status: owned("proxy-status"),
        connection_close: headers
            .iter()
            .filter(|(name, _)| *name == b"connection")
            .flat_map(|(_, value)| value.split(|byte| *byte == b','))
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close")),
        retry_after: retry_after(headers, now_unix),
    }
}

fn retry_after(headers: &Headers, now_unix: i64) -> Option<Duration> {
    let read = |name: &str| headers.text(name);
    diagnosis::hint::retry_hint(read, None, now_unix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_of_the_system_has_its_fault() {
        let cases = [
            (Errno::ECONNREFUSED, false, Fault::Refused),
            (Errno::ECONNRESET, false, Fault::Reset),
            (Errno::ETIMEDOUT, false, Fault::ConnectTimeout),
            (Errno::EAFNOSUPPORT, true, Fault::FamilyUnavailable),
            (
                Errno::EMFILE,
                false,
                Fault::LocalResource {
                    errno: Errno::EMFILE as i32,
                },
            ),
            (
                Errno::ENFILE,
                false,
                Fault::LocalResource {
                    errno: Errno::ENFILE as i32,
                },
            ),
            (
                Errno::EADDRNOTAVAIL,
                false,
                Fault::LocalResource {
                    errno: Errno::EADDRNOTAVAIL as i32,
                },
            ),
            (
                Errno::EADDRNOTAVAIL,
                true,
                Fault::Unreachable {
                    errno: Errno::EADDRNOTAVAIL as i32,
                },
            ),
            (
                Errno::ENETUNREACH,
                false,
                Fault::Unreachable {
                    errno: Errno::ENETUNREACH as i32,
                },
            ),
            (
                Errno::EHOSTUNREACH,
                true,
                Fault::Unreachable {
                    errno: Errno::EHOSTUNREACH as i32,
                },
            ),
        ];
        for (errno, v6, fault) in cases {
            let error = io::Error::from_raw_os_error(errno as i32);
            assert_eq!(connect_fault(&error, v6), fault, "{errno}");
        }
    }

    #[test]
    fn an_open_connection_that_fails_is_reset_unless_the_system_is_short_of_something() {
        for errno in [
            Errno::ECONNRESET,
            Errno::EPIPE,
            Errno::ETIMEDOUT,
            Errno::EHOSTUNREACH,
        ] {
            assert_eq!(
                socket_fault(&io::Error::from_raw_os_error(errno as i32)),
                Fault::Reset
            );
        }
        let short = io::Error::from_raw_os_error(Errno::ENOBUFS as i32);
        assert!(matches!(socket_fault(&short), Fault::LocalResource { .. }));
    }

    #[test]
    fn a_place_is_told_without_its_query() {
        let mut headers = http::HeaderMap::new();
        for (name, value) in [
            ("location", "https://login.example/sso?token=secret#x"),
            ("connection", "x, Close"),
            ("retry-after", "7"),
            ("x-envoy-overloaded", "true"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let head = head_facts(StatusCode::FOUND, &Headers::from(&headers), 0);
        assert_eq!(head.location.as_deref(), Some("https://login.example/sso"));
        assert!(head.connection_close && head.envoy_overloaded && !head.maintenance_header);
        assert_eq!(head.retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn names_in_certificates_are_shown_bare() {
        assert_eq!(plain_name("DnsName(\"a.example\")"), "a.example");
        assert_eq!(plain_name("IpAddress(10.0.0.1)"), "10.0.0.1");
        assert_eq!(plain_name("*.b.example"), "*.b.example");
    }
}
