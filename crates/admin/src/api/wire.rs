//! The words of the API that several nouns share, and how rows of the store become them.

use serde::Serialize;
use serde_json::value::RawValue;
use store::{AttemptRow, CallRow, Kept};
use utoipa::ToSchema;

macro_rules! same_words {
    ($(#[$meta:meta])* $name:ident from $other:ty { $($(#[$inner:meta])* $variant:ident),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$inner])* $variant),* }

        impl From<$other> for $name {
            fn from(other: $other) -> Self {
                match other { $(<$other>::$variant => Self::$variant),* }
            }
        }
    };
}

same_words! {
    /// How a call ended.
    Outcome from store::Outcome {
        /// The first attempt served it.
        Ok,
        /// An attempt failed and a later one served it.
        Recovered,
        /// Served from a cache.
        Cached,
        /// No attempt served it, or its stream broke.
        Failed,
        /// Not answered, by the client's fault or a rule of the gateway, and no attempt failed.
        Refused,
        /// The client left first.
        Cancelled,
    }
}

same_words! {
    /// A class of calls with a budget of rows of its own.
    Class from store::Class {
        /// Answered at the first attempt, or from a cache.
        Plain,
        /// Refused.
        Refused,
        /// Failed, recovered or left by the client.
        FailedOrRecovered,
    }
}

same_words! {
    /// How well usage and cost are known.
    Certainty from store::Certainty {
        /// The provider said so.
        Exact,
        /// Counted by the gateway.
        Estimated,
        /// Nobody can know.
        Unknown,
    }
}

/// Tokens of one call; null where the provider did not say.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Usage {
    /// All tokens of the prompt, cached ones too.
    pub input: Option<u64>,
    /// All tokens of the answer, reasoning too.
    pub output: Option<u64>,
    /// The part of `input` that was read from the provider's cache.
    pub cache_read: Option<u64>,
    /// The part of `input` that was written into the provider's cache.
    pub cache_write: Option<u64>,
    /// The part of `output` that was reasoning.
    pub reasoning: Option<u64>,
}

/// What the client said of itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Client {
    /// Its own id for the call.
    pub request_id: Option<String>,
    /// Its `user-agent`.
    pub agent: Option<String>,
    /// How often it says that it has tried before.
    pub retry_count: Option<u32>,
}

/// One call and its attempts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Request {
    /// Its id, as the client was told.
    #[schema(example = "req_01K9ZQ7V3M8T2ABCDEFGHJKMNP")]
    pub id: String,
    /// Its place in the order in which calls ended; greater is later.
    pub seq: i64,
    /// When it began: milliseconds since 1970.
    pub started_ms: u64,
    /// When it ended and was stored: milliseconds since 1970.
    pub ended_ms: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The status the client got; null when it left before.
    pub status: Option<u16>,
    /// `model`, `http` or `tunnel`.
    pub lane: String,
    /// The client's method.
    pub method: String,
    /// The client's path, without its query.
    pub path: String,
    /// The dialect the client spoke.
    #[schema(example = "openai_chat")]
    pub dialect: Option<String>,
    /// The model asked for, or the route's name.
    pub model: Option<String>,
    /// The target that served it.
    pub served_by: Option<String>,
    /// The caller's key, by name.
    pub key: Option<String>,
    /// The code the client was told; for `recovered` the last failed attempt's.
    pub code: Option<String>,
    /// The code's group.
    pub group: Option<String>,
    /// Whose fault: `client`, `gateway`, `network` or `upstream`.
    pub origin: Option<String>,
    /// Why the model stopped, in the dialect's own word.
    pub stop_reason: Option<String>,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// Whether any content reached the client.
    pub output_sent: bool,
    /// From the call's start to the first content.
    pub ttft_ms: Option<u64>,
    /// From the call's start to its end.
    pub total_ms: u64,
    /// The gateway's own part of it, in microseconds.
    pub gateway_us: Option<u64>,
    /// Tokens.
    pub usage: Usage,
    /// Its cost in billionths of a US dollar; null where no price is known.
    pub cost_nano_usd: Option<u64>,
    /// How well usage and cost are known.
    pub certainty: Certainty,
    /// Bytes of the client's body.
    pub request_bytes: u64,
    /// Bytes of the body sent to the client.
    pub response_bytes: u64,
    /// The client.
    pub client: Client,
    /// Whether a script inside the gateway answered.
    pub demo: bool,
    /// Its attempts, in order.
    pub attempts: Vec<Attempt>,
}

/// When each phase of an attempt ended, in microseconds since the attempt began; null: never reached.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Phases {
    /// The name was resolved.
    pub dns_us: Option<u64>,
    /// The connection stood.
    pub connect_us: Option<u64>,
    /// TLS was agreed.
    pub tls_us: Option<u64>,
    /// The request was written.
    pub sent_us: Option<u64>,
    /// The answer's head had come.
    pub first_byte_us: Option<u64>,
    /// The first content had come.
    pub first_token_us: Option<u64>,
    /// All was over.
    pub end_us: Option<u64>,
}

/// One attempt. `n`, `target`, `at_ms`, `ms`, `status`, `code`, `evidence`, `upstream_request_id` and `next` are those
/// of the error body that the client got.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Attempt {
    /// Its number, from 1.
    pub n: u32,
    /// The target, as `provider/model` or the upstream's URL.
    pub target: String,
    /// Which credential was used, by name.
    pub credential: Option<String>,
    /// When it began, since the call's start.
    pub at_ms: u64,
    /// How long it took.
    pub ms: u64,
    /// The upstream's status, if a head came.
    pub status: Option<u16>,
    /// What went wrong; null for the attempt that served.
    pub code: Option<String>,
    /// The code's group.
    pub group: Option<String>,
    /// Whose fault.
    pub origin: Option<String>,
    /// One short line, as the client may see it.
    pub evidence: Option<String>,
    /// The same for the operator, with addresses.
    pub detail: Option<String>,
    /// What followed.
    #[schema(example = "next_target")]
    pub next: String,
    /// Why that followed.
    pub next_reason: Option<String>,
    /// The upstream's own id for it.
    pub upstream_request_id: Option<String>,
    /// Who made the answer, where it can be told.
    pub made_by: Option<String>,
    /// Whether the provider worked on it: `no`, `maybe`, `yes`.
    pub processed: Option<String>,
    /// Bytes written to the upstream.
    pub bytes_sent: u64,
    /// Bytes read from the upstream.
    pub bytes_received: u64,
    /// Whether the connection had served before.
    pub reused: bool,
    /// The address that was connected to.
    pub peer: Option<String>,
    /// When each phase ended.
    pub phases: Phases,
    /// All evidence; only with `GET /api/v1/requests/{id}`.
    #[schema(value_type = Option<std::collections::BTreeMap<String, serde_json::Value>>)]
    pub full_evidence: Option<Box<RawValue>>,
}

/// Calls of one class and second of which no row was kept; they are counted all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NotKept {
    /// The second in which they ended, since 1970.
    pub second: u64,
    /// Their class.
    pub class: Class,
    /// How many.
    pub count: u64,
}

impl From<&store::NotKept> for NotKept {
    fn from(note: &store::NotKept) -> Self {
        Self {
            second: note.second,
            class: note.class.into(),
            count: note.count,
        }
    }
}

/// A call as lists show it: without `full_evidence`.
impl From<&Kept> for Request {
    fn from(kept: &Kept) -> Self {
        let call: &CallRow = &kept.call;
        let text = |word: &Option<store::Word>| word.as_ref().map(|word| word.clone().into_owned());
        Self {
            id: call.id.to_string(),
            seq: kept.seq,
            started_ms: call.unix_millis,
            ended_ms: kept.stored_millis,
            outcome: call.outcome.into(),
            status: call.status,
            lane: call.lane.clone().into_owned(),
            method: call.method.clone().into_owned(),
            path: call.path.clone(),
            dialect: text(&call.dialect),
            model: call.model.as_deref().map(str::to_owned),
            served_by: call.served_by.as_deref().map(str::to_owned),
            key: call.key.as_ref().map(|key| key.as_str().to_owned()),
            code: text(&call.code),
            group: text(&call.group),
            origin: text(&call.origin),
            stop_reason: text(&call.stop_reason),
            stream: call.stream,
            output_sent: call.output_sent,
            ttft_ms: call.ttft_ms,
            total_ms: call.total_ms,
            gateway_us: call.gateway_us,
            usage: Usage {
                input: call.usage.input,
                output: call.usage.output,
                cache_read: call.usage.cache_read,
                cache_write: call.usage.cache_write,
                reasoning: call.usage.reasoning,
            },
            cost_nano_usd: call.cost.map(types::NanoUsd::as_nanos),
            certainty: call.certainty.into(),
            request_bytes: call.request_bytes,
            response_bytes: call.response_bytes,
            client: Client {
                request_id: call.client_request_id.clone(),
                agent: call.client_agent.clone(),
                retry_count: call.client_retry_count,
            },
            demo: call.demo,
            attempts: call.attempts.iter().map(Attempt::from).collect(),
        }
    }
}

impl From<&AttemptRow> for Attempt {
    fn from(row: &AttemptRow) -> Self {
        let text = |word: &Option<store::Word>| word.as_ref().map(|word| word.clone().into_owned());
        let micros = |time: Option<std::time::Duration>| {
            time.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
        };
        Self {
            n: row.n,
            target: row.target.to_string(),
            credential: row.credential.as_ref().map(|name| name.as_str().to_owned()),
            at_ms: row.at_ms,
            ms: row.ms,
            status: row.status,
            code: text(&row.code),
            group: text(&row.group),
            origin: text(&row.origin),
            evidence: row.evidence.clone(),
            detail: row.full_line.clone(),
            next: row.next.clone().into_owned(),
            next_reason: text(&row.next_reason),
            upstream_request_id: row.upstream_request_id.clone(),
            made_by: text(&row.made_by),
            processed: text(&row.processed),
            bytes_sent: row.bytes_sent,
            bytes_received: row.bytes_received,
            reused: row.reused,
            peer: row.peer.map(|peer| peer.to_string()),
            phases: Phases {
                dns_us: micros(row.phases.dns),
                connect_us: micros(row.phases.connect),
                tls_us: micros(row.phases.tls),
                sent_us: micros(row.phases.sent),
                first_byte_us: micros(row.phases.first_byte),
                first_token_us: micros(row.phases.first_token),
                end_us: micros(row.phases.end),
            },
            full_evidence: None,
        }
    }
}

/// Stored JSON as it is; what does not parse is left out rather than breaking the answer.
pub fn raw(text: Option<&str>) -> Option<Box<RawValue>> {
    RawValue::from_string(text?.to_owned()).ok()
}
