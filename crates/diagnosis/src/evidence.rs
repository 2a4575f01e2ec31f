//! What one attempt showed: plain data, gathered by whoever made the attempt, judged by [`crate::judge`].
//!
//! Nothing here concludes anything. What is serialised is what the store keeps; free text of an upstream is left out
//! there unless it is known not to repeat the prompt (see [`crate::excerpt`]).

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::cause::Code;
use crate::words::words;

/// A word of ours, known when the program is built.
pub type Word = &'static str;

words! {
    /// What a call is.
    #[derive(Default)]
    Lane, "a lane" {
        /// A call to a language model.
        #[default]
        Model = "model",
        /// A call on a plain HTTP route.
        Http = "http",
        /// A tunnel.
        Tunnel = "tunnel",
    }
}

words! {
    /// How far an attempt had come.
    #[derive(Default)]
    Phase, "a phase" {
        /// Looking up the name.
        #[default]
        Dns = "dns",
        /// Opening the TCP connection.
        Connect = "connect",
        /// Shaking hands over TLS.
        Tls = "tls",
        /// Sending the request.
        Send = "send",
        /// Waiting for the whole head of the answer.
        Headers = "headers",
        /// Reading a body that is no stream of events.
        Body = "body",
        /// Reading a stream of events.
        Stream = "stream",
    }
}

/// What ended an attempt, as the socket and the bytes showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// NXDOMAIN, or an answer without addresses.
    DnsNotFound,
    /// SERVFAIL, REFUSED, `EAI_AGAIN` and the like.
    DnsFailed {
        /// The resolver's word for it.
        #[serde(serialize_with = "crate::serial::masked")]
        detail: String,
    },
    /// No answer of the resolver in time.
    DnsTimeout,
    /// ECONNREFUSED.
    Refused,
    /// ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL or an ICMP message.
    Unreachable {
        /// The system's number for it.
        errno: i32,
    },
    /// Only the other family of addresses would do, or EAFNOSUPPORT.
    FamilyUnavailable,
    /// EMFILE, ENFILE, ENOMEM, or no source port left.
    LocalResource {
        /// The system's number for it.
        errno: i32,
    },
    /// No TCP connection within the connect limit.
    ConnectTimeout,
    /// No finished handshake within the TLS limit.
    TlsTimeout,
    /// The request's body was not taken within the write limit.
    WriteTimeout,
    /// No whole head within the header limit.
    HeaderTimeout,
    /// No content event within the first-token limit.
    FirstTokenTimeout,
    /// Silence for longer than the idle limit after the answer had begun.
    IdleTimeout,
    /// The call's total time was used up.
    Deadline,
    /// End of file where more was due; phase and bytes tell the rest.
    Closed,
    /// ECONNRESET or EPIPE; phase and bytes tell the rest.
    Reset,
    /// A fatal alert of the peer's.
    TlsAlert {
        /// The alert's number. Source: RFC 8446, section 6.
        number: u8,
    },
    /// The certificate was refused by us.
    TlsCertificate(CertificateFault),
    /// The peer's first bytes were no TLS record.
    TlsNotTls {
        /// The first bytes.
        #[serde(with = "crate::serial::escaped")]
        first_bytes: Vec<u8>,
    },
    /// The TLS session stands, but the peer chose another protocol than we offered, or none.
    AlpnMismatch {
        /// What we offered: `h2`.
        #[cfg_attr(test, serde(deserialize_with = "crate::serial::leak"))]
        offered: Word,
        /// What it chose.
        #[serde(serialize_with = "crate::serial::some_masked")]
        chosen: Option<String>,
    },
    /// `RST_STREAM` for our stream. Source: RFC 9113, section 6.4.
    Http2Reset {
        /// Its error code. Source: RFC 9113, section 7.
        reason: u32,
    },
    /// GOAWAY. Source: RFC 9113, section 6.8.
    Http2GoAway {
        /// Its error code.
        reason: u32,
        /// Whether our stream is among those that it says were processed.
        processed: bool,
    },
    /// Another reason why there is no TLS session.
    TlsOther {
        /// The TLS library's word for it.
        #[serde(serialize_with = "crate::serial::masked")]
        detail: String,
    },
    /// The first bytes of the answer were no HTTP/1 status line.
    NotHttp {
        /// The first bytes.
        #[serde(with = "crate::serial::escaped")]
        first_bytes: Vec<u8>,
    },
    /// The head was larger than the limit.
    HeadTooLarge {
        /// The limit: bytes, or a number of headers.
        limit: u64,
    },
    /// The answer breaks HTTP/1's framing.
    Framing {
        /// What is broken: `chunk size`, `content-length`.
        #[cfg_attr(test, serde(deserialize_with = "crate::serial::leak"))]
        what: Word,
        /// The offending bytes.
        #[serde(with = "crate::serial::escaped")]
        offending: Vec<u8>,
    },
    /// End of file before the announced length, the last chunk or `close_notify`.
    BodyTruncated,
    /// The body was larger than we hold.
    BodyTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The content encoding does not decode.
    Decode {
        /// `gzip`, `br`, `deflate`.
        #[serde(serialize_with = "crate::serial::masked")]
        encoding: String,
        /// The decoder's word for it.
        #[serde(serialize_with = "crate::serial::masked")]
        detail: String,
    },
    /// The bytes came whole, but are not what was asked for.
    Content(ContentFault),
    /// The caller went away.
    ClientGone,
    /// The attempt needs the request's body again, and it is no longer there.
    BodyNotReplayable,
    /// A bug of ours.
    Internal {
        /// What is known of it.
        #[serde(serialize_with = "crate::serial::masked")]
        detail: String,
    },
}

/// Why we refused a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum CertificateFault {
    /// It is no longer valid.
    Expired {
        /// Its last moment, seconds since 1970, where known.
        not_after: Option<i64>,
        /// Our clock at that time, seconds since 1970.
        now: i64,
    },
    /// It is not valid yet.
    NotYetValid {
        /// Its first moment, seconds since 1970, where known.
        not_before: Option<i64>,
        /// Our clock at that time, seconds since 1970.
        now: i64,
    },
    /// It is for other names.
    Name {
        /// The name we connected to.
        #[serde(serialize_with = "crate::serial::masked")]
        wanted: String,
        /// The names it is for.
        #[serde(serialize_with = "crate::serial::all_masked")]
        presented: Vec<String>,
    },
    /// Nobody we trust has signed it.
    Untrusted {
        /// The verifier's word for it.
        #[serde(serialize_with = "crate::serial::masked")]
        detail: String,
    },
    /// Anything else.
    Other {
        /// The verifier's word for it.
        #[serde(serialize_with = "crate::serial::masked")]
        detail: String,
    },
}

/// What is wrong with an answer that came whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "snake_case")]
pub enum ContentFault {
    /// A web page.
    Html,
    /// Nothing.
    Empty,
    /// No JSON.
    NotJson {
        /// The offset of the first wrong byte.
        at: usize,
    },
    /// JSON of another shape.
    WrongShape {
        /// What is missing or wrong; a name of a field, never its value.
        #[serde(serialize_with = "crate::serial::masked")]
        what: String,
    },
    /// An error object under a status of success; its words are in [`Evidence::signal`].
    ErrorObject,
    /// An error event in the stream; its words are in [`Evidence::signal`].
    StreamError,
    /// The stream ended without its terminal event.
    StreamIncomplete,
    /// An event that does not parse.
    StreamMalformed {
        /// Its number, from 1.
        event: u64,
        /// What is wrong with it; never its text.
        #[serde(serialize_with = "crate::serial::masked")]
        what: String,
    },
    /// An event larger than the limit.
    EventTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

/// The words of an error body, whatever its dialect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default))]
pub struct Signal {
    /// `error.type`, or the word for a status: `insufficient_quota`, `RESOURCE_EXHAUSTED`.
    #[serde(serialize_with = "crate::serial::machine_word")]
    pub kind: Option<String>,
    /// `error.code` as text.
    #[serde(serialize_with = "crate::serial::machine_word")]
    pub code: Option<String>,
    /// `error.param`.
    #[serde(serialize_with = "crate::serial::machine_word")]
    pub param: Option<String>,
    /// `error.message`, whole. Serialised only where it is a known message of a provider.
    #[serde(serialize_with = "known_message_only")]
    pub message: Option<String>,
    /// What the provider's own reading of its errors makes of it.
    pub concluded: Option<Code>,
}

/// What a diagnosis needs of an answer's head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default))]
pub struct AnswerHead {
    /// The status.
    pub status: u16,
    /// `Content-Type`.
    #[serde(serialize_with = "crate::serial::some_masked")]
    pub content_type: Option<String>,
    /// `Server`.
    #[serde(serialize_with = "crate::serial::some_masked")]
    pub server: Option<String>,
    /// The upstream's own id of the request.
    #[serde(serialize_with = "crate::serial::some_masked")]
    pub upstream_request_id: Option<String>,
    /// `CF-Ray`.
    #[serde(serialize_with = "crate::serial::some_masked")]
    pub cf_ray: Option<String>,
    /// `Location`, without its query.
    #[serde(serialize_with = "crate::serial::some_masked")]
    pub location: Option<String>,
    /// Whether a header such as `x-maintenance` is there.
    pub maintenance_header: bool,
    /// Whether `x-envoy-overloaded` is there.
    pub envoy_overloaded: bool,
    /// `Proxy-Status` (RFC 9209): what a proxy in front of the upstream says of itself.
    #[serde(serialize_with = "crate::serial::some_masked")]
    pub proxy_status: Option<String>,
    /// Whether the answer says `Connection: close`.
    pub connection_close: bool,
    /// What [`crate::hint::retry_hint`] read from the headers.
    #[serde(with = "crate::serial::millis")]
    pub retry_after: Option<Duration>,
}

/// When each phase was done, since the attempt's start; `None` where it was not reached or not needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default))]
pub struct PhaseTimes {
    /// The name was resolved.
    #[serde(with = "crate::serial::millis")]
    pub dns: Option<Duration>,
    /// The connection stood.
    #[serde(with = "crate::serial::millis")]
    pub connect: Option<Duration>,
    /// The handshake was done.
    #[serde(with = "crate::serial::millis")]
    pub tls: Option<Duration>,
    /// The request's last byte was written.
    #[serde(with = "crate::serial::millis")]
    pub sent: Option<Duration>,
    /// The answer's first byte came.
    #[serde(with = "crate::serial::millis")]
    pub first_byte: Option<Duration>,
    /// The stream's first content event came.
    #[serde(with = "crate::serial::millis")]
    pub first_token: Option<Duration>,
    /// The attempt ended.
    #[serde(with = "crate::serial::millis")]
    pub end: Option<Duration>,
}

/// Bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default))]
pub struct ByteCounts {
    /// Bytes of the request given to the system.
    pub sent: u64,
    /// Of those, acknowledged by the peer's system, where the system tells (Linux: `TCP_INFO`).
    pub acked: Option<u64>,
    /// Bytes of the answer, head included.
    pub received: u64,
}

/// The limit that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct LimitFired {
    /// Its name in the configuration: `connect`, `response_header`, `total`.
    #[cfg_attr(test, serde(deserialize_with = "crate::serial::leak"))]
    pub name: Word,
    /// Its value.
    #[serde(with = "crate::serial::whole_millis", rename = "ms")]
    pub value: Duration,
}

/// One address that was tried for a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct AddressTried {
    /// The address.
    pub address: SocketAddr,
    /// Milliseconds it took.
    pub ms: u64,
    /// `connected`, `refused`, `no answer`, `abandoned`.
    #[serde(serialize_with = "crate::serial::masked")]
    pub result: String,
}

/// What one attempt showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default))]
pub struct Evidence {
    /// What the call is.
    pub lane: Lane,
    /// How far it came.
    pub phase: Phase,
    /// What ended it; `None` where the answer itself is the failure.
    pub fault: Option<Fault>,
    /// The address it went to.
    pub peer: Option<SocketAddr>,
    /// The addresses tried for the connection.
    pub addresses: Vec<AddressTried>,
    /// `TLSv1.3`.
    #[serde(serialize_with = "crate::serial::some_masked")]
    pub tls_version: Option<String>,
    /// Bytes on the wire.
    pub bytes: ByteCounts,
    /// The answer's head, once it was whole.
    pub head: Option<AnswerHead>,
    /// The words of its error body.
    pub signal: Option<Signal>,
    /// The limit that fired.
    pub limit: Option<LimitFired>,
    /// How long the upstream asks us to wait, from headers or body.
    #[serde(with = "crate::serial::millis")]
    pub hint: Option<Duration>,
    /// When each phase was done.
    pub times: PhaseTimes,
    /// Whether the connection had served an earlier call.
    pub reused: bool,
    /// What may be shown of the body, at most 256 bytes (see [`crate::excerpt::scrub`]).
    pub excerpt: Option<String>,
    /// The title of the page, where the body is one.
    pub page_title: Option<String>,
    /// Whether the limit that fired had been shortened by the caller: such a timeout teaches nothing about the target.
    pub timer_from_caller: bool,
    /// How long the call had lasted when this attempt began, where that is known: with it a deadline that one wait used
    /// up gets that wait's code.
    #[serde(with = "crate::serial::millis")]
    pub call_age: Option<Duration>,
}

impl Evidence {
    /// The status of the answer, where there is one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.head.as_ref().map(|head| head.status)
    }

    /// How long the upstream asks us to wait, wherever it said so.
    #[must_use]
    pub fn hint(&self) -> Option<Duration> {
        self.hint
            .or_else(|| self.head.as_ref().and_then(|head| head.retry_after))
    }
}

#[expect(clippy::ref_option, reason = "the form serde calls it in")]
fn known_message_only<S: Serializer>(
    message: &Option<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let shown = message.as_deref().and_then(crate::excerpt::known_message);
    shown.serialize(serializer)
}
