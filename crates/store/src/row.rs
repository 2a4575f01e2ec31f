//! What is kept of a call and of each of its attempts. No prompt, no answer, no secret has a field here.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{CallId, CredentialId, KeyId, NanoUsd, TokenUsage};

/// A word of a closed vocabulary (a code, a group, a method): a constant when written, owned when read back.
pub type Word = Cow<'static, str>;

/// How a call ended, as in the header `x-goodgate-outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The first attempt served it.
    Ok,
    /// An attempt failed and a later one served it.
    Recovered,
    /// Served from a cache.
    Cached,
    /// No attempt served it, or its stream broke.
    Failed,
    /// Not answered, by the client's fault or a rule of ours, and no attempt failed.
    Refused,
    /// The client left first.
    Cancelled,
}

impl Outcome {
    /// Every outcome there is.
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::Recovered,
        Self::Cached,
        Self::Failed,
        Self::Refused,
        Self::Cancelled,
    ];

    /// The word, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Recovered => "recovered",
            Self::Cached => "cached",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads what [`Outcome::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    }

    /// Which budget of rows the call takes from.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Ok | Self::Cached => Class::Plain,
            Self::Refused => Class::Refused,
            Self::Recovered | Self::Failed | Self::Cancelled => Class::FailedOrRecovered,
        }
    }
}

/// A class of calls with a budget of rows of its own, so that a flood of one cannot push out the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Answered at the first attempt, or from a cache.
    Plain,
    /// Refused.
    Refused,
    /// Failed, recovered or left by the client: what people come to read.
    FailedOrRecovered,
}

impl Class {
    /// Every class there is.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Refused, Self::FailedOrRecovered];

    /// The word, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Refused => "refused",
            Self::FailedOrRecovered => "failed_or_recovered",
        }
    }

    /// Reads what [`Class::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

/// How well usage and cost are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The provider said so.
    Exact,
    /// Counted by us.
    Estimated,
    /// Nobody can know: the provider may have worked without telling.
    #[default]
    Unknown,
}

impl Certainty {
    /// The word, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Estimated => "estimated",
            Self::Unknown => "unknown",
        }
    }

    /// Reads what [`Certainty::as_str`] wrote; anything else is `Unknown`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "exact" => Self::Exact,
            "estimated" => Self::Estimated,
            _ => Self::Unknown,
        }
    }
}

/// One call, once it has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRow {
    /// Its id, as the client was told.
    pub id: CallId,
    /// When it began: milliseconds since 1970.
    pub unix_millis: u64,
    /// The caller's key; none where none was valid or needed.
    pub key: Option<KeyId>,
    /// `model`, `http` or `tunnel`.
    pub lane: Word,
    /// The client's method.
    pub method: Word,
    /// The client's path, without its query (which may carry a key).
    pub path: String,
    /// The dialect the client spoke, on the model lane.
    pub dialect: Option<Word>,
    /// The model asked for (alias or `provider/model`), or the route's name on the http lane.
    pub model: Option<Arc<str>>,
    /// The target that served it, as `provider/model` or the upstream's label.
    pub served_by: Option<Arc<str>>,
    /// How it ended.
    pub outcome: Outcome,
    /// The status the client got; none when it left before.
    pub status: Option<u16>,
    /// The code the client was told, for what is not `ok`; for `recovered` the last failed attempt's.
    pub code: Option<Word>,
    /// The code's group.
    pub group: Option<Word>,
    /// Whose fault: `client`, `gateway`, `network` or `upstream`.
    pub origin: Option<Word>,
    /// Why the model stopped, in the dialect's own word.
    pub stop_reason: Option<Word>,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// Whether any content reached the client.
    pub output_sent: bool,
    /// From the call's start to the first content, in milliseconds.
    pub ttft_ms: Option<u64>,
    /// From the call's start to its end, in milliseconds.
    pub total_ms: u64,
    /// The gateway's own part of `total_ms`, in microseconds.
    pub gateway_us: Option<u64>,
    /// What was used, all attempts that are known to have used anything together.
    pub usage: TokenUsage,
    /// What it cost, where a price is known.
    pub cost: Option<NanoUsd>,
    /// How well `usage` and `cost` are known.
    pub certainty: Certainty,
    /// Bytes of the client's body.
    pub request_bytes: u64,
    /// Bytes of the body sent to the client.
    pub response_bytes: u64,
    /// The client's own id for it.
    pub client_request_id: Option<String>,
    /// The client's `user-agent`.
    pub client_agent: Option<String>,
    /// How often the client says that it has tried before.
    pub client_retry_count: Option<u32>,
    /// Whether a script inside the gateway answered: such calls count in no statistics.
    pub demo: bool,
    /// What only a page about this one call shows; none of it is read for lists.
    pub details: CallDetails,
    /// The error body the client got, verbatim JSON.
    pub error_json: Option<String>,
    /// Its attempts, in order.
    pub attempts: Vec<AttemptRow>,
}

impl CallRow {
    /// A row of which only the names are known: a start for struct update syntax.
    #[must_use]
    pub fn new(id: CallId, unix_millis: u64, outcome: Outcome) -> Self {
        Self {
            id,
            unix_millis,
            key: None,
            lane: Cow::Borrowed("model"),
            method: Cow::Borrowed("POST"),
            path: String::new(),
            dialect: None,
            model: None,
            served_by: None,
            outcome,
            status: None,
            code: None,
            group: None,
            origin: None,
            stop_reason: None,
            stream: false,
            output_sent: false,
            ttft_ms: None,
            total_ms: 0,
            gateway_us: None,
            usage: TokenUsage::default(),
            cost: None,
            certainty: Certainty::Unknown,
            request_bytes: 0,
            response_bytes: 0,
            client_request_id: None,
            client_agent: None,
            client_retry_count: None,
            demo: false,
            details: CallDetails::default(),
            error_json: None,
            attempts: Vec::new(),
        }
    }
}

/// The part of a call's row that is kept as one piece and read only with the whole call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallDetails {
    /// The targets that were planned, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<Arc<str>>,
    /// Targets that were passed over, and why (`circuit_open`, `cooldown`, ...).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_tried: Vec<NotTried>,
    /// What translation could not carry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Loss>,
    /// Version of the configuration that held for the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_version: Option<u64>,
    /// The limit of attempts that held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// The whole call's time limit, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Whether the client set that limit.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deadline_from_client: bool,
    /// What was held until the end: `first_content` or `whole`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Word>,
    /// The `retry-after` the client was told, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The `x-should-retry` the client was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub should_retry: Option<bool>,
    /// The caller's W3C trace id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Whatever else of the client is worth showing (its language, runtime, patience), name and value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client: Vec<(Word, String)>,
    /// Other facts about how the policy decided, name and value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policy: Vec<(Word, String)>,
}

/// A target that got no attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotTried {
    /// The target's label.
    pub target: Arc<str>,
    /// Why, as a code or word.
    pub why: Word,
}

/// Something that a translation could not carry over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The field, as the client wrote it.
    pub field: String,
    /// Why it is lost.
    pub why: String,
}

/// One attempt of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRow {
    /// Its number, from 1.
    pub n: u32,
    /// The target's label.
    pub target: Arc<str>,
    /// Which credential was used.
    pub credential: Option<CredentialId>,
    /// When it began, in milliseconds since the call's start.
    pub at_ms: u64,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// The upstream's status, if a head came.
    pub status: Option<u16>,
    /// What went wrong; none for the attempt that served.
    pub code: Option<Word>,
    /// The code's group.
    pub group: Option<Word>,
    /// Whose fault.
    pub origin: Option<Word>,
    /// One short line, as the client may see it.
    pub evidence: Option<String>,
    /// The same for the operator, with addresses.
    pub full_line: Option<String>,
    /// All evidence, as JSON; not read for lists.
    pub evidence_json: Option<String>,
    /// When each phase ended.
    pub phases: Phases,
    /// What followed: `served`, `retry_same`, `next_key`, `next_target`, `hedge_lost`, `fail_fast`, `exhausted`, `deadline`.
    pub next: Word,
    /// Why that followed, in a few words.
    pub next_reason: Option<Word>,
    /// The upstream's own id for it.
    pub upstream_request_id: Option<String>,
    /// Who made the answer, where it can be told (`origin`, `cloudflare`, ...).
    pub made_by: Option<Word>,
    /// Whether the provider worked on it: `no`, `maybe`, `yes`.
    pub processed: Option<Word>,
    /// Bytes written to the upstream.
    pub bytes_sent: u64,
    /// Bytes read from the upstream.
    pub bytes_received: u64,
    /// Whether the connection had served before.
    pub reused: bool,
    /// The address that was connected to.
    pub peer: Option<SocketAddr>,
}

impl AttemptRow {
    /// An attempt of which nothing else is known yet: a start for struct update syntax.
    #[must_use]
    pub fn new(n: u32, target: Arc<str>) -> Self {
        Self {
            n,
            target,
            credential: None,
            at_ms: 0,
            ms: 0,
            status: None,
            code: None,
            group: None,
            origin: None,
            evidence: None,
            full_line: None,
            evidence_json: None,
            phases: Phases::default(),
            next: Cow::Borrowed("served"),
            next_reason: None,
            upstream_request_id: None,
            made_by: None,
            processed: None,
            bytes_sent: 0,
            bytes_received: 0,
            reused: false,
            peer: None,
        }
    }
}

/// When each phase of an attempt ended, since the attempt's start; kept to the microsecond. None: never reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// The name was resolved.
    pub dns: Option<Duration>,
    /// The connection stood.
    pub connect: Option<Duration>,
    /// TLS was agreed.
    pub tls: Option<Duration>,
    /// The request was written.
    pub sent: Option<Duration>,
    /// The answer's head had come.
    pub first_byte: Option<Duration>,
    /// The first content had come.
    pub first_token: Option<Duration>,
    /// All was over.
    pub end: Option<Duration>,
}

/// A row that was kept, with its place in the order of arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Its place: greater is later.
    pub seq: i64,
    /// When it was stored, which is when the call ended: milliseconds since 1970, never falling with `seq`.
    pub stored_millis: u64,
    /// The call.
    pub call: CallRow,
}

/// Calls of one class and second that were counted but of which no row was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotKept {
    /// The second, since 1970, in which they ended.
    pub second: u64,
    /// Their class.
    pub class: Class,
    /// How many.
    pub count: u64,
}

/// What a subscriber hears.
#[derive(Clone, Debug)]
pub enum News {
    /// A call ended and its row was kept.
    Call(Arc<Kept>),
    /// Calls ended of which no row was kept.
    NotKept(NotKept),
}
