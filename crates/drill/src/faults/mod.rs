//! What can go wrong, as data: kinds with their parameters. The names and defaults are in `catalogue.json`.
//!
//! A fault changes an answer (`bend`) or how it is put on the wire (`wire`); nothing here touches a socket.

use serde::{Deserialize, Serialize};

pub mod catalogue;

pub(crate) mod bend;

/// One thing that goes wrong.
///
/// In a script it is written by its name in the [catalogue], or as an object with `kind` and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Another answer altogether.
    Status {
        /// The status.
        status: u16,
        /// The reason phrase; the usual one when it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Headers, as pairs of name and value.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<(String, String)>,
        /// A text is sent as it is (HTML when it begins with `<`), anything else as JSON.
        #[serde(default)]
        body: serde_json::Value,
    },
    /// The answer comes late.
    Delay {
        /// Where it waits.
        at: Point,
        /// How long, in milliseconds.
        ms: u64,
    },
    /// The answer comes in small pieces with pauses.
    Drip {
        /// Bytes of a piece.
        bytes: usize,
        /// The pause between two, in milliseconds.
        every_ms: u64,
        /// What is dripped.
        part: Part,
    },
    /// The answer stops at some point, and the connection stays open.
    Stall {
        /// Where it stops.
        at: Point,
    },
    /// After the head only pings (comments, for those who have none) come, for ever.
    Pings {
        /// The time between two, in milliseconds.
        every_ms: u64,
    },
    /// The connection ends at some point.
    Break {
        /// Where it ends.
        at: Point,
        /// How it ends.
        by: End,
    },
    /// `Content-Length` lies.
    Length {
        /// How it lies.
        lie: LengthLie,
    },
    /// The chunked coding is wrong.
    Chunks {
        /// What is wrong with it.
        lie: ChunkLie,
    },
    /// Bytes that are no HTTP/1.1 answer, then the end.
    Raw {
        /// What is sent.
        bytes: RawBytes,
    },
    /// An odd head.
    Head {
        /// What is odd.
        quirk: HeadQuirk,
    },
    /// `Content-Encoding` and the body do not fit.
    Encoding {
        /// How.
        lie: EncodingLie,
    },
    /// A 200 whose body is not what was asked for.
    Body {
        /// What it is.
        lie: BodyLie,
    },
    /// A stream of events that is wrong.
    Stream {
        /// What is wrong with it.
        lie: StreamLie,
    },
    /// The connection does not live on as the answer says.
    KeepAlive {
        /// What becomes of it.
        lie: KeepAliveLie,
    },
    /// HTTP/2 goes wrong; HTTP/1.1 is left alone.
    Http2 {
        /// How.
        lie: Http2Lie,
    },
    /// Something happens before the request's body is read.
    Early {
        /// What happens.
        what: Early,
    },
}

/// A point of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    /// Before its first byte.
    BeforeHead,
    /// In the middle of its head.
    MidHead,
    /// After its head, before the body's first byte.
    AfterHead,
    /// In the middle of its body; of a stream, in the middle of an event.
    MidBody,
    /// After so many events that carry content.
    AfterEvents(usize),
    /// After all of the body but the last byte; of a chunked one, before the last chunk.
    BeforeEnd,
}

/// A part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Its head only.
    Head,
    /// Its body only.
    Body,
    /// All of it.
    All,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// With a TCP reset.
    Reset,
    /// With an orderly FIN, over TLS after `close_notify`.
    Close,
    /// With an orderly FIN, over TLS without `close_notify`.
    Cut,
}

/// How `Content-Length` lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LengthLie {
    /// More than comes, then the end.
    TooLarge,
    /// Less than comes.
    TooSmall,
    /// Two headers that differ.
    Differing,
    /// Two headers that say the same.
    Twice,
    /// One header with the number twice, separated by a comma.
    List,
    /// Together with `Transfer-Encoding: chunked`.
    WithChunked,
    /// A negative number.
    Negative,
    /// No number at all.
    NoNumber,
    /// A number over 2^64.
    Overflow,
}

/// What is wrong with chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChunkLie {
    /// A size that is no hexadecimal number.
    BadSize,
    /// A size over 2^64.
    HugeSize,
    /// A size larger than its chunk, then the end.
    ShortChunk,
    /// No CRLF after a chunk's bytes.
    NoEnd,
    /// The last chunk never comes: the connection is closed in order.
    NoLast,
    /// Legal: extensions on every chunk.
    Extensions,
    /// Legal: trailers after the last chunk.
    Trailers,
}

/// Bytes that are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RawBytes {
    /// An SSH server's banner.
    SshBanner,
    /// The SETTINGS frame with which an HTTP/2 server begins.
    Http2Settings,
    /// A TLS alert (`unexpected_message`), as a TLS port sends it to plain text.
    TlsAlert,
    /// A status line that is none.
    BadStatusLine,
    /// A status that is no number.
    BadStatus,
    /// Bytes without any meaning.
    Garbage,
    /// An HTTP/0.9 answer: a page without a head.
    NoHead,
}

/// What is odd about a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadQuirk {
    /// One header of 128 KiB.
    Huge,
    /// 500 header lines.
    Many,
    /// A head that never ends.
    Endless,
    /// Legal: lines end in a bare LF.
    BareLf,
    /// Legal: `100 Continue` that nobody asked for comes first.
    ContinueFirst,
    /// Legal: `103 Early Hints` come first.
    EarlyHints,
    /// Only interim answers, for ever.
    EndlessInterim,
    /// A header folded over two lines.
    Folded,
    /// Legal: no reason phrase.
    NoReason,
    /// Legal: HTTP/1.0, delimited by the end of the connection.
    Http10,
    /// Legal: neither length nor chunks: delimited by the end of the connection.
    CloseDelimited,
    /// A control byte in a header's value.
    ControlByte,
    /// White space before a header's colon.
    SpaceBeforeColon,
    /// A header line without a colon.
    NoColon,
    /// 204 with a body all the same.
    NoContentWithBody,
    /// 304 to a request without a condition, with the length of a body that does not come.
    NotModified,
    /// 101 that nobody asked for.
    SwitchingProtocols,
    /// Status 999.
    Status999,
}

/// How the coding of a body lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncodingLie {
    /// Legal: gzip, whether it was asked for or not.
    Gzip,
    /// Says gzip, is plain text.
    NotGzip,
    /// Gzip that ends early.
    TruncatedGzip,
    /// Gzip with a wrong checksum.
    WrongChecksum,
    /// A coding that nobody knows.
    Unknown,
}

/// What a 200 holds in place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BodyLie {
    /// Nothing.
    Empty,
    /// JSON that ends early, correctly framed.
    CutJson,
    /// A web page.
    Html,
    /// A login page that says it is JSON.
    HtmlAsJson,
    /// JSON of another shape.
    WrongShape,
    /// `null`.
    Null,
    /// An error object of the style.
    ErrorObject,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// White space before the JSON, as servers send it to keep a connection alive. Legal.
    LeadingSpace,
    /// The body twice.
    Twice,
    /// More than 40 MiB of JSON.
    Oversized,
}

/// What is wrong with a stream of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamLie {
    /// It ends, well framed, after some content.
    NoTerminal,
    /// Only the very last event (`[DONE]`, `message_stop`) is missing.
    NoDone,
    /// It has no event at all.
    Empty,
    /// It has comments only, and ends.
    CommentsOnly,
    /// It has `[DONE]` or its like only.
    TerminalOnly,
    /// An event in the middle is no JSON.
    MalformedJson,
    /// An event in the middle is not UTF-8.
    InvalidUtf8,
    /// An event of 9 MiB.
    OversizedEvent,
    /// The first event is an error of the style.
    ErrorFirst,
    /// An error of the style after some content.
    ErrorMid,
    /// An object `{"error": ...}` in place of a chunk, after some content, whatever the style.
    ErrorObject,
    /// The first event is such an object.
    ErrorObjectFirst,
    /// An HTML page after some content.
    HtmlMid,
    /// A whole JSON answer in place of a stream.
    WholeJson,
    /// Legal: comments and blank lines between events.
    Comments,
    /// Legal: lines end in CRLF.
    Crlf,
    /// The last event lacks its blank line.
    NoBlankLine,
    /// It goes on after its end.
    AfterEnd,
}

/// What becomes of a connection after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeepAliveLie {
    /// It is closed right after the answer, which said nothing of it.
    CloseAfter,
    /// It is closed, unanswered, when the next request has arrived.
    CloseOnNext,
    /// It is reset, unanswered, when the next request has arrived.
    ResetOnNext,
}

/// How HTTP/2 goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Http2Lie {
    /// The stream is reset with `REFUSED_STREAM`: it was not processed.
    Refuse,
    /// The stream is reset with `INTERNAL_ERROR` before an answer.
    Reset,
    /// The same in the middle of the body.
    ResetMidBody,
    /// The stream is reset with `ENHANCE_YOUR_CALM`.
    Calm,
    /// GOAWAY with `NO_ERROR` says that the stream was not processed, then the connection ends.
    Leave,
    /// The same with `ENHANCE_YOUR_CALM`.
    LeaveForCalm,
    /// GOAWAY with `INTERNAL_ERROR` says that the stream may have been processed, then the connection ends.
    CutOff,
    /// The answer is good, and after it the connection says goodbye.
    Drain,
}

/// What happens before a request's body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Early {
    /// 413, then the end of the connection with the body unread.
    TooLarge,
    /// 413, then the connection is reset.
    TooLargeReset,
    /// `417 Expectation Failed` to those who expect `100 Continue`.
    ExpectationFailed,
    /// `100 Continue` never comes, the body is read when it is sent all the same.
    NoContinue,
    /// Nothing more is read, nothing is answered.
    NoRead,
}

impl Fault {
    /// The name of its kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Delay { .. } => "delay",
            Self::Drip { .. } => "drip",
            Self::Stall { .. } => "stall",
            Self::Pings { .. } => "pings",
            Self::Break { .. } => "break",
            Self::Length { .. } => "length",
            Self::Chunks { .. } => "chunks",
            Self::Raw { .. } => "raw",
            Self::Head { .. } => "head",
            Self::Encoding { .. } => "encoding",
            Self::Body { .. } => "body",
            Self::Stream { .. } => "stream",
            Self::KeepAlive { .. } => "keep-alive",
            Self::Http2 { .. } => "http2",
            Self::Early { .. } => "early",
        }
    }

    /// Whether it strikes before the request's body is read, so that no rule may look into that.
    #[must_use]
    pub fn is_early(&self) -> bool {
        matches!(self, Self::Early { .. })
    }
}
