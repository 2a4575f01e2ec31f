//! What a head says beside its path and its key: gathered in one pass over the headers.

use std::time::Duration;

use diagnosis::Code;
use http::header::HeaderName;
use http::{HeaderValue, Version};
use http1::Headers;
use http1::headers::as_text;

use super::Patience;
use crate::journal::ClientFacts;
use crate::policy::VIA;
use crate::refusal::Refusal;

/// What the headers say.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) client: ClientFacts,
    /// Which of the client's own attempts this is.
    pub(super) client_retries: u32,
    pub(super) patience: Patience,
    pub(super) idempotency_key: Option<HeaderValue>,
    pub(super) trace: Option<HeaderValue>,
    /// The `x-goodgate-*` headers; whether the key may use them is decided once it is known.
    pub(super) wishes: Vec<(HeaderName, HeaderValue)>,
    hosts: u32,
    has_length: bool,
    has_coding: bool,
    is_loop: bool,
}

impl Said {
    /// Reads all headers, once.
    pub(super) fn read(headers: &Headers) -> Self {
        let mut said = Self::default();
        for (name, value) in headers.iter() {
            said.take(name, value, headers);
        }
        said
    }

    fn take(&mut self, name: &[u8], value: &[u8], headers: &Headers) {
        match name {
            b"host" => self.hosts += 1,
            b"content-length" => self.has_length = true,
            b"transfer-encoding" => self.has_coding = true,
            b"user-agent" => self.client.agent = headers.kept(value),
            b"x-request-id" => self.client.request_id = headers.kept(value),
            b"x-client-request-id" if self.client.request_id.is_none() => {
                self.client.request_id = headers.kept(value);
            }
            b"x-stainless-retry-count" => {
                self.client.retry_count = as_text(value).and_then(|count| count.parse().ok());
                self.client_retries = self.client.retry_count.unwrap_or(0);
            }
            b"x-stainless-timeout" | b"x-stainless-read-timeout" => {
                shorten(
                    &mut self.patience.between_bytes,
                    number(value).map(Duration::from_secs_f64),
                );
            }
            b"x-request-timeout-ms" => {
                let whole = number(value).map(|ms| Duration::from_secs_f64(ms / 1000.0));
                shorten(&mut self.patience.whole, whole);
            }
            b"grpc-timeout" => {
                let whole = as_text(value).and_then(grpc_timeout);
                shorten(&mut self.patience.whole, whole);
            }
            b"via" => self.is_loop |= as_text(value).is_some_and(|via| via.contains(VIA.as_str())),
            b"idempotency-key" => self.idempotency_key = headers.kept(value),
            b"traceparent" => {
                self.trace = headers.kept(value);
                self.client.trace.clone_from(&self.trace);
            }
            other if other.starts_with(b"x-goodgate-") => {
                let name = HeaderName::from_bytes(other);
                self.wishes.extend(name.ok().zip(headers.kept(value)));
            }
            _ => {}
        }
    }

    /// A head that two readers could understand in two ways is refused: it is how requests are smuggled.
    pub(super) fn is_sound(&self, version: Version, has_authority: bool) -> Result<(), Refusal> {
        if self.is_loop {
            let message =
                "This request has come from this very gateway: a target points back at it.";
            return Err(Refusal::new(Code::ProxyLoopDetected, message));
        }
        let message = if self.has_length && self.has_coding {
            "The request has both Content-Length and Transfer-Encoding: send one of them."
        } else if self.hosts > 1 {
            "The request has more than one Host header: send one."
        } else if self.hosts == 0 && version == Version::HTTP_11 && !has_authority {
            "The request has no Host header: HTTP/1.1 requires one."
        } else {
            return Ok(());
        };
        let mut refusal = Refusal::invalid(None, message);
        refusal.closes = true;
        Err(refusal)
    }
}

/// The shorter of what was said so far and this.
fn shorten(so_far: &mut Option<Duration>, now: Option<Duration>) {
    *so_far = match (*so_far, now) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
}

/// A number above zero, below four months; anything else says nothing.
fn number(value: &[u8]) -> Option<f64> {
    let number: f64 = as_text(value)?.trim().parse().ok()?;
    (number.is_finite() && number > 0.0 && number < 1e10).then_some(number)
}

/// `1H`, `30S`, `500m`: digits and a unit. Source: gRPC over HTTP2, section Requests, seen 2026-11.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(number.checked_mul(3600)?)),
        'M' => Some(Duration::from_secs(number.checked_mul(60)?)),
        'S' => Some(Duration::from_secs(number)),
        'm' => Some(Duration::from_millis(number)),
        'u' => Some(Duration::from_micros(number)),
        'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn read(pairs: &[(&'static str, &'static str)]) -> Said {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        Said::read(&Headers::from(&headers))
    }

    #[test]
    fn the_shorter_of_two_timeouts_counts_and_nonsense_does_not() {
        let patience = |pairs: &[(&'static str, &'static str)]| read(pairs).patience;
        let whole = |ms| Patience {
            whole: Some(Duration::from_millis(ms)),
            between_bytes: None,
        };
        assert_eq!(
            patience(&[("x-request-timeout-ms", "1500"), ("grpc-timeout", "1S")]),
            whole(1000)
        );
        for nonsense in ["-1", "NaN", "0", "", "inf", "1e300"] {
            let value: &'static str = nonsense;
            assert_eq!(
                patience(&[("x-request-timeout-ms", value)]),
                Patience::default(),
                "{nonsense}"
            );
        }
        assert_eq!(patience(&[("grpc-timeout", "")]), Patience::default());
        let reads = patience(&[
            ("x-stainless-timeout", "600"),
            ("x-stainless-read-timeout", "30.5"),
        ]);
        assert_eq!(
            reads,
            Patience {
                whole: None,
                between_bytes: Some(Duration::from_millis(30_500))
            }
        );
    }

    #[test]
    fn heads_that_two_readers_could_read_differently_are_refused() {
        let sound = |pairs, version| read(pairs).is_sound(version, false).is_ok();
        assert!(!sound(
            &[
                ("host", "a"),
                ("content-length", "1"),
                ("transfer-encoding", "chunked")
            ],
            Version::HTTP_11
        ));
        assert!(!sound(&[("host", "a"), ("host", "b")], Version::HTTP_11));
        assert!(!sound(&[], Version::HTTP_11));
        assert!(sound(&[], Version::HTTP_10));
        assert!(sound(&[("host", "a")], Version::HTTP_11));
    }

    #[test]
    fn a_request_that_has_been_here_before_is_a_loop() {
        let mut headers = HeaderMap::new();
        headers.append("host", HeaderValue::from_static("a"));
        headers.append("via", HeaderValue::from_static("1.1 another"));
        assert!(
            Said::read(&Headers::from(&headers))
                .is_sound(Version::HTTP_11, false)
                .is_ok()
        );
        headers.append("via", HeaderValue::from_str(&VIA).unwrap());
        let refusal = Said::read(&Headers::from(&headers))
            .is_sound(Version::HTTP_11, false)
            .unwrap_err();
        assert_eq!(refusal.code, Code::ProxyLoopDetected);
    }

    #[test]
    fn wishes_are_kept_for_when_the_key_is_known() {
        let said = read(&[
            ("x-goodgate-hold", "whole"),
            ("x-other", "1"),
            ("idempotency-key", "k"),
        ]);
        assert_eq!(said.wishes.len(), 1);
        assert_eq!(said.idempotency_key, Some(HeaderValue::from_static("k")));
    }
}
