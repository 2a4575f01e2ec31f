//! What may be written: every setting optional, each with the place where it stands. The doc comments here are the
//! reference that people read; the JSON Schema is made from these types.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use provider::catalog::Rate;
use resilience::balance::Strategy;
use schemars::JsonSchema;
use types::{NanoUsd, Priority, Secret};

use crate::guard_file::GuardFile;
use crate::keys::KeyHash;
use crate::route_file::RouteFile;
use crate::schema;
use crate::snapshot::{ErrorDetail, Exception, Hold, HttpVersion, LogFormat, Network, TlsVersion};
use crate::yaml::Spot;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) spot: Spot,
}

/// Entries under names that the writer chooses, in the order in which they were written.
#[derive(Clone, Debug)]
pub(crate) struct Named<T>(pub(crate) Vec<(At<String>, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

pub(crate) type Words = Option<schema::Text>;
pub(crate) type Number = Option<schema::Count>;
pub(crate) type Time = Option<schema::Time>;

/// goodgate.yaml
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct File {
    /// The version of this format: 1.
    #[schemars(with = "Number")]
    pub(crate) version: Option<At<u32>>,
    /// The listener.
    pub(crate) server: ServerFile,
    /// The admin API and web UI.
    pub(crate) admin: AdminFile,
    /// Who serves models: one entry per account or server, under a name of your choice. The name is the first
    /// part of `provider/model`.
    pub(crate) providers: Named<ProviderFile>,
    /// Aliases: a name that clients ask for, and the targets that are tried in order.
    pub(crate) models: Named<ModelFile>,
    /// Plain HTTP: which requests, and the upstreams that may answer them.
    pub(crate) routes: Named<RouteFile>,
    /// How hard is tried, where nothing narrower says otherwise.
    pub(crate) resilience: ResilienceFile,
    /// Callers' keys that this file declares; others are made by `goodgate keys create`.
    pub(crate) keys: Named<KeyFile>,
    /// What callers see of a failure.
    pub(crate) errors: ErrorsFile,
    /// Where calls are stored.
    pub(crate) storage: StorageFile,
    /// Whether the scripted `demo/*` models are on. Default: only without a file and without a provider.
    #[schemars(with = "Option<schema::Switch>")]
    pub(crate) demo: Option<At<bool>>,
    /// Metrics and logs.
    pub(crate) telemetry: TelemetryFile,
}

/// The listener.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct ServerFile {
    /// Address and port. Default 127.0.0.1:4000.
    #[schemars(with = "Words")]
    pub(crate) listen: Option<At<SocketAddr>>,
    /// Worker threads, 1 to 512. Default: as many as processors, at most 4.
    #[schemars(with = "Number")]
    pub(crate) workers: Option<At<usize>>,
    /// The largest request body. Default 50MB.
    #[schemars(with = "Option<schema::Size>")]
    pub(crate) max_body: Option<At<u64>>,
    /// How long running calls may go on after a signal to stop. Default 30s.
    #[schemars(with = "Time")]
    pub(crate) drain: Option<At<Duration>>,
    /// The same for streams. Default 600s.
    #[schemars(with = "Time")]
    pub(crate) drain_streams: Option<At<Duration>>,
    /// How long new connections are still taken after readiness has failed, so that balancers notice. Default 5s; 0s
    /// on loopback.
    #[schemars(with = "Time")]
    pub(crate) drain_delay: Option<At<Duration>>,
    /// Names by which clients may address the gateway, besides its own addresses.
    #[schemars(with = "Option<Vec<schema::Text>>")]
    pub(crate) hosts: Option<Vec<At<String>>>,
    /// Networks whose `X-Forwarded-For` is believed: 10.0.0.0/8.
    #[schemars(with = "Option<Vec<schema::Text>>")]
    pub(crate) trusted_proxies: Option<Vec<At<Network>>>,
    /// The URL under which clients reach the gateway, for links in errors.
    #[schemars(with = "Words")]
    pub(crate) public_url: Option<At<String>>,
}

/// The admin API and web UI.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct AdminFile {
    /// A listener of its own. Default: on loopback the server's port, else 127.0.0.1:4001.
    #[schemars(with = "Words")]
    pub(crate) listen: Option<At<SocketAddr>>,
}

/// One account or server.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct ProviderFile {
    #[schemars(skip)]
    pub(crate) has_keys: bool,
    #[schemars(skip)]
    pub(crate) has_base_url: bool,
    /// The kind of provider: openai, anthropic, gemini, openai-compatible, ...; `check` lists them all where it
    /// finds another word. Default: the entry's own name.
    #[schemars(rename = "type")]
    #[schemars(with = "Words")]
    pub(crate) kind: Option<At<String>>,
    /// Where it is, with or without its version segment (`/v1`). Default: the kind's own address.
    #[schemars(with = "Words")]
    pub(crate) base_url: Option<At<String>>,
    /// Its key. Default: the kind's environment variable, for openai `${OPENAI_API_KEY}`.
    #[schemars(with = "Words")]
    pub(crate) api_key: Option<At<Hidden>>,
    /// Several keys, in place of `api_key`: the next one is used when one is refused or out of quota.
    pub(crate) credentials: Option<Vec<CredentialFile>>,
    /// Headers that every call to it carries.
    #[schemars(with = "Option<std::collections::BTreeMap<String, schema::Text>>")]
    pub(crate) headers: Option<Vec<(At<HeaderName>, At<HeaderValue>)>>,
    /// How its certificate is checked.
    pub(crate) tls: Option<TlsFile>,
    /// `1.1` (default), `2`, or `auto`: 2 where a TLS server chooses it. Without TLS, 2 is begun at once.
    #[schemars(with = "Option<schema::HttpVersion>")]
    pub(crate) http_version: Option<At<HttpVersion>>,
    /// Timers for calls to it.
    pub(crate) timeout: TimeoutFile,
    #[schemars(flatten)]
    pub(crate) guards: GuardFile,
    /// Its models: a list of names, or names with `model`, `price` and limits. Nothing else is served from it then.
    /// Default: any model.
    #[schemars(with = "Option<schema::Models>")]
    pub(crate) models: Option<Vec<ListedFile>>,
    /// When it is out of use by plan: calls go to other targets meanwhile, or are told when to come back.
    pub(crate) maintenance: Option<Vec<MaintenanceFile>>,
}

/// One planned window: `start` and `end`, or `every`, `at` and `for`.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct MaintenanceFile {
    #[schemars(skip)]
    pub(crate) spot: Spot,
    #[schemars(skip)]
    pub(crate) has_unreadable: bool,
    /// Its first moment, with an offset: 2026-12-01T02:00:00Z.
    #[schemars(with = "Words")]
    pub(crate) start: Option<At<u64>>,
    /// The first moment after it.
    #[schemars(with = "Words")]
    pub(crate) end: Option<At<u64>>,
    /// For one that comes again and again: `day`, or a day of the week.
    #[schemars(with = "Option<schema::Recurrence>")]
    pub(crate) every: Option<At<Recurrence>>,
    /// When such a one begins: 02:00, which is UTC, or 02:00+01:00.
    #[schemars(with = "Words")]
    pub(crate) at: Option<At<i64>>,
    /// How long such a one lasts.
    #[schemars(rename = "for")]
    #[schemars(with = "Time")]
    pub(crate) length: Option<At<Duration>>,
    /// Why; shown to whoever is told of it.
    #[schemars(with = "Words")]
    pub(crate) reason: Option<At<String>>,
}

/// How often a window comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recurrence {
    Day,
    /// Days after a Monday.
    Week(u8),
}

/// A secret, and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Hidden {
    pub(crate) secret: Secret,
    pub(crate) source: String,
}

/// One of several keys of a provider.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct CredentialFile {
    #[schemars(skip)]
    pub(crate) spot: Spot,
    #[schemars(skip)]
    pub(crate) has_key: bool,
    /// Its name, shown in place of the key.
    #[schemars(with = "schema::Text")]
    pub(crate) name: Option<At<String>>,
    /// The key.
    #[schemars(with = "schema::Text")]
    pub(crate) api_key: Option<At<Hidden>>,
}

/// How a certificate is checked; it always is.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct TlsFile {
    #[schemars(skip)]
    pub(crate) spot: Spot,
    /// More certificate authorities to trust, a PEM file.
    #[schemars(with = "Words")]
    pub(crate) ca_file: Option<At<PathBuf>>,
    /// The name that the certificate must carry, where it is not the host of `base_url`.
    #[schemars(with = "Words")]
    pub(crate) server_name: Option<At<String>>,
    /// A certificate to show, a PEM file; with `client_key`.
    #[schemars(with = "Words")]
    pub(crate) client_cert: Option<At<PathBuf>>,
    /// Its key, a PEM file.
    #[schemars(with = "Words")]
    pub(crate) client_key: Option<At<PathBuf>>,
    /// The oldest version spoken: 1.2 (default) or 1.3.
    #[schemars(with = "Option<schema::TlsVersion>")]
    pub(crate) min_version: Option<At<TlsVersion>>,
}

/// One model of a provider.
#[derive(Clone, Debug)]
pub(crate) struct ListedFile {
    pub(crate) name: At<String>,
    pub(crate) details: ListedDetails,
}

/// What is said of a model.
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct ListedDetails {
    /// Its name there. Default: the same.
    #[schemars(with = "Words")]
    pub(crate) model: Option<At<String>>,
    /// What it costs, in dollars per million tokens.
    pub(crate) price: Option<PriceFile>,
    /// The longest prompt, in tokens.
    #[schemars(with = "Number")]
    pub(crate) context: Option<At<u64>>,
    /// The longest answer, in tokens.
    #[schemars(with = "Number")]
    pub(crate) max_output: Option<At<u64>>,
    /// The most calls at a time. Default: `concurrency.max`.
    #[schemars(with = "Number")]
    pub(crate) max_concurrency: Option<At<u32>>,
}

/// Dollars per million tokens.
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct PriceFile {
    #[schemars(skip)]
    pub(crate) spot: Spot,
    #[schemars(skip)]
    pub(crate) is_complete: bool,
    /// Of the prompt.
    #[schemars(with = "schema::Amount")]
    pub(crate) input: Option<At<Rate>>,
    /// Of the answer.
    #[schemars(with = "schema::Amount")]
    pub(crate) output: Option<At<Rate>>,
    /// Of the prompt, read from the cache. Default: as `input`.
    #[schemars(with = "Option<schema::Amount>")]
    pub(crate) cache_read: Option<At<Rate>>,
    /// Of the prompt, written into the cache. Default: as `input`.
    #[schemars(with = "Option<schema::Amount>")]
    pub(crate) cache_write: Option<At<Rate>>,
}

/// An alias.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct ModelFile {
    #[schemars(skip)]
    pub(crate) has_targets: bool,
    /// `provider/model`, or `{ target: provider/model, weight: 3 }`.
    #[schemars(with = "Vec<schema::Targets>")]
    pub(crate) targets: Option<Vec<TargetFile>>,
    /// Which target a call begins with: `ordered` (default), the first; `weighted`, any, by weight; `least_busy`, the
    /// one with the fewest calls running; `fastest`, the one that begins to answer soonest; `cheapest`, by price.
    /// What fails goes on to the others, whatever the strategy.
    #[schemars(with = "Option<schema::Strategy>")]
    pub(crate) strategy: Option<At<Strategy>>,
    /// `conversation`: later turns go to the target that answered the first, whose prompt cache is warm. Default:
    /// none.
    #[schemars(with = "Option<schema::Sticky>")]
    pub(crate) sticky: Option<At<()>>,
    /// What leaving a warm prompt cache for a faster or less busy target may cost at most, in dollars. Default 0.02.
    #[schemars(with = "Option<schema::Amount>")]
    pub(crate) max_cache_loss: Option<At<NanoUsd>>,
    #[schemars(flatten)]
    pub(crate) effort: Effort,
}

/// One target of an alias.
#[derive(Debug)]
pub(crate) struct TargetFile {
    pub(crate) at: At<String>,
    pub(crate) weight: Option<At<u32>>,
}

/// One target of an alias, with its weight.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct WeightedTarget {
    /// `provider/model`.
    #[schemars(with = "schema::Text")]
    pub(crate) target: Option<At<String>>,
    /// Its share of the calls, by `weighted`; elsewhere the heavier of two equals is taken. 0: only where no other
    /// takes calls. Default 1.
    #[schemars(with = "Number")]
    pub(crate) weight: Option<At<u32>>,
}

/// How hard is tried, and what guards upstreams.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct ResilienceFile {
    #[schemars(flatten)]
    pub(crate) effort: Effort,
    #[schemars(flatten)]
    pub(crate) guards: GuardFile,
}

/// How hard is tried.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct Effort {
    /// Timers.
    pub(crate) timeout: TimeoutFile,
    /// How often, and with which waits.
    pub(crate) retry: RetryFile,
    /// Codes or groups of failures that are not tried again. Default: none.
    #[schemars(with = "Option<Vec<schema::Text>>")]
    pub(crate) retry_except: Option<Vec<At<Exception>>>,
    /// When a stream's head is sent: `first_content` (default), or `whole`: nothing is sent until the answer is
    /// complete, so that it can fail over to the end.
    #[schemars(with = "Option<schema::Hold>")]
    pub(crate) hold: Option<At<Hold>>,
    /// How long the head waits for content at most; then it goes out and pings keep the line open. Default 20s.
    #[schemars(with = "Time")]
    pub(crate) hold_for: Option<At<Duration>>,
}

/// Timers. A value written here replaces every variant of that timer.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct TimeoutFile {
    /// Looking up the name. Default 2s.
    #[schemars(with = "Time")]
    pub(crate) dns: Option<At<Duration>>,
    /// Connecting, all addresses. Default 3s.
    #[schemars(with = "Time")]
    pub(crate) connect: Option<At<Duration>>,
    /// The TLS handshake. Default 5s.
    #[schemars(with = "Time")]
    pub(crate) tls: Option<At<Duration>>,
    /// Sending without progress. Default 30s.
    #[schemars(with = "Time")]
    pub(crate) write: Option<At<Duration>>,
    /// From the request sent to the answer's whole head. Default 60s; 300s for whole answers of models.
    #[schemars(with = "Time")]
    pub(crate) response_header: Option<At<Duration>>,
    /// From the request sent to the first content of a stream. Default 30s; 60s with reasoning.
    #[schemars(with = "Time")]
    pub(crate) first_token: Option<At<Duration>>,
    /// Silence within an answer. Default 30s; 60s in streams.
    #[schemars(with = "Time")]
    pub(crate) idle: Option<At<Duration>>,
    /// Everything together, all attempts and waits. Default 300s; 600s for streams.
    #[schemars(with = "Time")]
    pub(crate) total: Option<At<Duration>>,
}

/// How often, and with which waits.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct RetryFile {
    /// Attempts of a call, the first one counted; 1 to 20. Default 4.
    #[schemars(with = "Number")]
    pub(crate) max_attempts: Option<At<u32>>,
    /// Different targets of a call; 1 to 20. Default 3.
    #[schemars(with = "Number")]
    pub(crate) max_targets: Option<At<u32>>,
    /// Waits between attempts at one target.
    pub(crate) backoff: BackoffFile,
    /// Whether `Retry-After` and its kin are obeyed. Default true.
    #[schemars(with = "Option<schema::Switch>")]
    pub(crate) respect_retry_after: Option<At<bool>>,
    /// Repeats that a provider may see for each first attempt. Default 20%.
    #[schemars(with = "Option<schema::Share>")]
    pub(crate) budget: Option<At<f64>>,
}

/// Waits between attempts at one target: each is any time up to its bound, which doubles from `initial` to `max`.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct BackoffFile {
    /// The first bound. Default 200ms.
    #[schemars(with = "Time")]
    pub(crate) initial: Option<At<Duration>>,
    /// The last bound. Default 5s.
    #[schemars(with = "Time")]
    pub(crate) max: Option<At<Duration>>,
    /// `full`, the only one: callers who failed together do not return together.
    #[schemars(with = "Option<schema::Jitter>")]
    pub(crate) jitter: Option<At<()>>,
}

/// A caller's key. Exactly one of `secret` and `hash` is written.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct KeyFile {
    #[schemars(skip)]
    pub(crate) has_secret: bool,
    /// The key itself, best as `${NAME}`; 16 characters at least.
    #[schemars(with = "Words")]
    pub(crate) secret: Option<At<Hidden>>,
    /// Its SHA-256 in hexadecimal digits.
    #[schemars(with = "Words")]
    pub(crate) hash: Option<At<KeyHash>>,
    /// Calls a minute. Default: no limit.
    #[schemars(with = "Number")]
    pub(crate) rpm: Option<At<u32>>,
    /// Calls at a time. Default: no limit.
    #[schemars(with = "Number")]
    pub(crate) concurrency: Option<At<u32>>,
    /// Whose calls wait or are left out first when there is no room: `critical`, `high`, `normal` (default) or
    /// `batch`.
    #[schemars(with = "Option<schema::Priority>")]
    pub(crate) priority: Option<At<Priority>>,
    /// Whom it belongs to: when there is no room, teams take turns, and so do the keys of a team.
    #[schemars(with = "Words")]
    pub(crate) team: Option<At<String>>,
    /// When its streams' heads go out, whatever the model says: `first_content` or `whole` (nothing of an answer until it
    /// is all there).
    #[schemars(with = "Option<schema::Hold>")]
    pub(crate) hold: Option<At<Hold>>,
    /// Aliases and `provider/model` names that it may use; `*` at the end stands for any rest. Default: all.
    #[schemars(with = "Option<Vec<schema::Text>>")]
    pub(crate) models: Option<Vec<At<String>>>,
    /// `x-goodgate-*` request headers that it may use; `*` for all. Default: tags, and a shorter timeout.
    #[schemars(with = "Option<Vec<schema::Text>>")]
    pub(crate) allow_headers: Option<Vec<At<String>>>,
}

/// What callers see of a failure.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct ErrorsFile {
    /// `full` (default on loopback), `summary` (default elsewhere: no addresses, no text of upstreams) or `none`.
    #[schemars(with = "Option<schema::Detail>")]
    pub(crate) detail: Option<At<ErrorDetail>>,
}

/// Where calls are stored.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct StorageFile {
    /// `sqlite:///path/to/goodgate.db`. Default: goodgate.db in the state folder.
    #[schemars(with = "Words")]
    pub(crate) url: Option<At<PathBuf>>,
    /// How long.
    pub(crate) retain: RetainFile,
}

/// How long calls are kept.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct RetainFile {
    /// What is known of a call, without prompts and answers. Default 30d.
    #[schemars(with = "Time")]
    pub(crate) metadata: Option<At<Duration>>,
}

/// Metrics and logs.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct TelemetryFile {
    /// The path under which Prometheus finds the metrics, on the admin API's listener; `off` for none. Default /metrics.
    #[schemars(with = "Words")]
    pub(crate) metrics: Option<At<Option<String>>>,
    /// Where spans are sent over OTLP/HTTP: the collector's URL, with or without /v1/traces; empty for nowhere. Default:
    /// what `OTEL_EXPORTER_OTLP_ENDPOINT` says.
    #[schemars(with = "Words")]
    pub(crate) otlp: Option<At<String>>,
    /// Log lines.
    pub(crate) log: LogFile,
}

/// Log lines.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct LogFile {
    /// `json` or `pretty`. Default: pretty on a terminal, else json.
    #[schemars(with = "Option<schema::LogFormat>")]
    pub(crate) format: Option<At<LogFormat>>,
    /// A file for the log lines of calls, opened again on SIGUSR1. Default: standard output.
    #[schemars(with = "Words")]
    pub(crate) file: Option<At<String>>,
}
