//! What may be written of a plain HTTP route. The doc comments here are the reference that people read.

use std::time::Duration;

use http::Method;
use http::header::{HeaderName, HeaderValue};
use provider::Endpoint;
use schemars::JsonSchema;

use crate::file::{At, Number, RetryFile, Time, TimeoutFile, TlsFile, Words};
use crate::guard_file::GuardFile;
use crate::schema;
use crate::snapshot::{HostPattern, HttpVersion, Network, RouteStrategy};
use crate::yaml::Spot;

/// A plain HTTP route.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct RouteFile {
    #[schemars(skip)]
    pub(crate) has_upstreams: bool,
    /// Which requests it takes.
    #[schemars(rename = "match")]
    pub(crate) matches: MatchFile,
    /// URLs, or mappings with a `url`; the rest of the request's path is appended.
    #[schemars(with = "Vec<schema::Upstream>")]
    pub(crate) upstreams: Option<Vec<UpstreamFile>>,
    /// `ordered` (default): the first upstream that takes calls; `weighted`: by chance, in proportion to the weights.
    #[schemars(with = "Option<schema::RouteStrategy>")]
    pub(crate) strategy: Option<At<RouteStrategy>>,
    /// Whether what stands before `/**` goes upstream, too. Default false.
    #[schemars(with = "Option<schema::Switch>")]
    pub(crate) keep_prefix: Option<At<bool>>,
    /// What stands upstream in place of what stands before `/**`: `/v2`. Default: nothing.
    #[schemars(with = "Words")]
    pub(crate) replace_prefix: Option<At<String>>,
    /// How the headers of requests change on their way upstream.
    pub(crate) request_headers: HeaderEditsFile,
    /// How the headers of answers change on their way back.
    pub(crate) response_headers: HeaderEditsFile,
    /// `key` (default), or `open`: anyone on this machine; `{ open: [10.0.0.0/8] }`: anyone from these networks.
    #[schemars(with = "Option<schema::Access>")]
    pub(crate) access: Option<At<AccessFile>>,
    /// The credential that requests upstream carry; one of these.
    pub(crate) auth: AuthFile,
    /// What may be sent again, and how often.
    pub(crate) retry: RouteRetryFile,
    /// What is remembered of callers' idempotency keys.
    pub(crate) idempotency: IdempotencyFile,
    /// Timers.
    pub(crate) timeout: TimeoutFile,
    #[schemars(flatten)]
    pub(crate) guards: GuardFile,
    /// The largest request body. What is over 1 MiB goes on as it comes, so it may be larger than memory. Default: `server.max_body`.
    #[schemars(with = "Option<schema::Size>")]
    pub(crate) max_body: Option<At<u64>>,
}

/// One upstream of a route: a URL alone, or this.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct UpstreamFile {
    /// Where it is: `https://api.example/base`.
    #[schemars(with = "schema::Text")]
    pub(crate) url: At<(String, Endpoint)>,
    /// With `strategy: weighted`, its share of the calls beside the others' weights; 0 takes calls only when no other can. Default 1.
    #[schemars(with = "Number")]
    pub(crate) weight: Option<At<u32>>,
    /// How it is asked whether it is well. Default: not at all, calls alone tell.
    #[schemars(with = "Option<HealthFile>")]
    pub(crate) health: Option<HealthFile>,
    /// How its certificate is checked.
    #[schemars(with = "Option<TlsFile>")]
    pub(crate) tls: Option<TlsFile>,
    /// `1.1` (default), `2`, or `auto`: 2 where a TLS server chooses it. Without TLS, 2 is begun at once.
    #[schemars(with = "Option<schema::HttpVersion>")]
    pub(crate) http_version: Option<At<HttpVersion>>,
}

/// How an upstream is asked whether it is well: by a GET that must answer 200 to 399.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct HealthFile {
    #[schemars(skip)]
    pub(crate) spot: Spot,
    /// The path to ask for, of the whole URL's host: `/healthz`.
    #[schemars(with = "schema::Text")]
    pub(crate) path: Option<At<String>>,
    /// How often. Default 10s.
    #[schemars(with = "Time")]
    pub(crate) interval: Option<At<Duration>>,
    /// How long an answer may take. Default 2s.
    #[schemars(with = "Time")]
    pub(crate) timeout: Option<At<Duration>>,
    /// So many failures in a row, and it is asked for calls only when no other can. Default 3.
    #[schemars(with = "Number")]
    pub(crate) unhealthy_after: Option<At<u32>>,
    /// So many good answers in a row, and it is back. Default 1.
    #[schemars(with = "Number")]
    pub(crate) healthy_after: Option<At<u32>>,
}

/// Who may use a route.
#[derive(Clone, Debug)]
pub(crate) enum AccessFile {
    Key,
    Open(Option<Vec<At<Network>>>),
}

/// Which requests a route takes: all that is said must fit.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct MatchFile {
    /// A path prefix, `/weather/**`, or one path: `/hook`.
    #[schemars(with = "schema::Text")]
    pub(crate) path: Option<At<String>>,
    /// Hosts: `api.example`, or `*.example` for every name below it; one or a list. Default: any.
    #[schemars(with = "Option<schema::OneOrMore>")]
    pub(crate) host: Option<Vec<At<HostPattern>>>,
    /// Methods, one or a list; GET brings HEAD with it. Default: any.
    #[schemars(with = "Option<schema::OneOrMore>")]
    pub(crate) method: Option<Vec<At<Method>>>,
}

/// How headers change: first `remove`, then `set`, then `add`.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct HeaderEditsFile {
    /// Headers that get this value in place of any other.
    #[schemars(with = "Option<std::collections::HashMap<String, schema::Text>>")]
    pub(crate) set: Option<Vec<(At<HeaderName>, At<HeaderValue>)>>,
    /// Headers that get this value beside any other.
    #[schemars(with = "Option<std::collections::HashMap<String, schema::Text>>")]
    pub(crate) add: Option<Vec<(At<HeaderName>, At<HeaderValue>)>>,
    /// Headers that go.
    #[schemars(with = "Option<Vec<schema::Text>>")]
    pub(crate) remove: Option<Vec<At<HeaderName>>>,
}

/// The credential that requests upstream carry.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct AuthFile {
    /// A header: `x-key: ${WEATHER_KEY}`, in quotes.
    #[schemars(with = "Words")]
    pub(crate) header: Option<At<(HeaderName, HeaderValue)>>,
    /// A token for `Authorization: Bearer`, best as `${NAME}`.
    #[schemars(with = "Words")]
    pub(crate) bearer: Option<At<(HeaderName, HeaderValue)>>,
    /// User and password for `Authorization: Basic`: `me:${PASSWORD}`, in quotes.
    #[schemars(with = "Words")]
    pub(crate) basic: Option<At<(HeaderName, HeaderValue)>>,
}

/// What is remembered of callers' idempotency keys.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct IdempotencyFile {
    /// How long an answer is given again to calls with the same key; 1s to 24h. Default: not at all.
    #[schemars(with = "Time")]
    pub(crate) replay: Option<At<Duration>>,
}

/// What of a route may be sent again, and how often.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct RouteRetryFile {
    /// Methods that may be sent again. Default GET, HEAD, OPTIONS, PUT, DELETE.
    #[schemars(with = "Option<Vec<schema::Text>>")]
    pub(crate) methods: Option<Vec<At<Method>>>,
    /// Whether any method may be sent again when the caller sends an `idempotency-key`. Default true.
    #[schemars(with = "Option<schema::Switch>")]
    pub(crate) unsafe_with_idempotency_key: Option<At<bool>>,
    #[schemars(flatten)]
    pub(crate) retry: RetryFile,
}
