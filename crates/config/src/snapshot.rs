//! What runs: validated, indexed and immutable. One snapshot is held for the whole of a call.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::{HeaderName, HeaderValue};
use provider::catalog::Price;
use provider::{Code, Endpoint, Group, Kind};
use resilience::backoff::Backoff;
use types::{CredentialId, KeyId, ModelName, ProviderId, Secret};

use crate::keys::KeyHash;

/// Where a snapshot comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A configuration file.
    File(PathBuf),
    /// No file: what the environment names.
    Environment,
}

/// One immutable policy: routes, providers and settings; not the keys that storage owns.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Counts up with every reload, from 1; the owner of the snapshots sets it.
    pub version: u64,
    /// Where it comes from.
    pub origin: Origin,
    /// The door.
    pub server: Server,
    /// The admin API's own listener.
    pub admin: Admin,
    /// Every provider by its name.
    pub providers: HashMap<ProviderId, Arc<Provider>>,
    /// The providers' names in the order in which they were written.
    pub provider_order: Vec<ProviderId>,
    /// Every alias.
    pub models: HashMap<String, Arc<ModelPolicy>>,
    /// Plain HTTP routes, the longest prefix first.
    pub routes: Vec<Arc<Route>>,
    /// Keys that the configuration declares.
    pub keys: Vec<DeclaredKey>,
    /// What holds where nothing narrower says otherwise.
    pub resilience: Arc<Resilience>,
    /// How much of an error the caller sees.
    pub errors: ErrorDetail,
    /// Whether the scripted `demo/*` models are on.
    pub demo: bool,
    /// Where state lies and how long it is kept.
    pub storage: Storage,
    /// How log lines are written.
    pub log_format: LogFormat,
    pub(crate) index: crate::resolve::Index,
}

impl Snapshot {
    /// The same policy as this number of a series.
    #[must_use]
    pub fn with_version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// The route for a request's path: that of the longest prefix that ends at a segment's border.
    #[must_use]
    pub fn route(&self, path: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.covers(path))
    }

    /// The providers in the order in which they were written.
    pub fn providers_in_order(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.provider_order
            .iter()
            .filter_map(|id| self.providers.get(id))
    }
}

/// The listener and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Address and port; loopback, port 4000 by default.
    pub listen: SocketAddr,
    /// Worker threads; `None` leaves the number to the machine.
    pub workers: Option<usize>,
    /// The largest request body in bytes; 50 MB by default.
    pub max_body: u64,
    /// How long running calls may go on after a signal to stop; 30 s by default.
    pub drain: Duration,
    /// The same for streams; 600 s by default.
    pub drain_streams: Duration,
    /// Names under which the gateway may be addressed, besides loopback's and its own addresses; empty for any
    /// when it does not listen on loopback.
    pub hosts: Vec<String>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// The address under which clients reach it, for links.
    pub public_url: Option<String>,
    /// Connections at a time; 20,000.
    pub max_connections: usize,
    /// Connections at a time from one address that has not shown a valid key; 256.
    pub max_connections_per_address: usize,
    /// How long a connection may stay without its first byte; 10 s.
    pub first_byte: Duration,
    /// How long a request's head may take; 10 s.
    pub head_timeout: Duration,
    /// The largest request head in bytes; 32 KiB.
    pub max_head: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4000)),
            workers: None,
            max_body: 50_000_000,
            drain: Duration::from_secs(30),
            drain_streams: Duration::from_secs(600),
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            public_url: None,
            max_connections: 20_000,
            max_connections_per_address: 256,
            first_byte: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            max_head: 32 * 1024,
        }
    }
}

impl Server {
    /// Whether only this machine can reach it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.listen.ip().is_loopback()
    }
}

/// The admin API's listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Its address; `None` where it shares the one port (on loopback).
    pub listen: Option<SocketAddr>,
}

/// A network in CIDR notation, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `::1/128` or a single address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) => digits.parse().ok().filter(|bits| *bits <= longest)?,
            None => longest,
        };
        Some(Self { address, prefix })
    }

    /// Whether an address lies in it; an IPv4 address in IPv6 form counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = |width: u32| width.saturating_sub(u32::from(self.prefix));
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let difference = own.to_bits() ^ other.to_bits();
                difference.checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let difference = own.to_bits() ^ other.to_bits();
                difference.checked_shr(shift(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// A configured provider.
#[derive(Debug)]
pub struct Provider {
    /// Its name: the first segment of `provider/model`.
    pub id: ProviderId,
    /// What it is.
    pub kind: &'static Kind,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Its keys, in the order in which they are tried; one without a secret where none is needed.
    pub credentials: Vec<Arc<Credential>>,
    /// Headers that every call to it carries, besides its key.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How its certificate is checked.
    pub tls: TlsSettings,
    /// How hard is tried here.
    pub resilience: Arc<Resilience>,
    /// Models that the configuration lists; empty where it lists none (any model then).
    pub models: Vec<ListedModel>,
    /// Whether it was taken from the environment or a probe, not from a file.
    pub detected: bool,
    /// The line of the file that declares it.
    pub line: Option<usize>,
}

/// A model that a provider's entry lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedModel {
    /// Its name here.
    pub name: ModelName,
    /// Its name there.
    pub upstream: ModelName,
    /// What it costs, where the configuration says so.
    pub price: Option<Price>,
    /// The longest prompt it takes, where the configuration says so.
    pub context: Option<u64>,
    /// The longest answer it gives, where the configuration says so.
    pub max_output: Option<u64>,
}

/// One key of a provider.
#[derive(Debug)]
pub struct Credential {
    /// Its name: `default` where there is only `api_key`.
    pub id: CredentialId,
    /// The key; `None` where the provider is called without one.
    pub secret: Option<Secret>,
    /// Where the key is from, for people: an environment variable's name, a file, or the configuration.
    pub source: String,
}

/// How a TLS connection to an upstream is made. The certificate is always verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsSettings {
    /// More roots to trust, PEM.
    pub ca_file: Option<PathBuf>,
    /// The name the certificate must carry, where it is not the URL's host.
    pub server_name: Option<String>,
    /// Our own certificate, PEM, with `client_key`.
    pub client_cert: Option<PathBuf>,
    /// Its key, PEM.
    pub client_key: Option<PathBuf>,
    /// The oldest version spoken.
    pub min_version: TlsVersion,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsVersion {
    /// TLS 1.2, the default.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// A provider and a model there: what an attempt goes to.
#[derive(Debug)]
pub struct Target {
    /// The provider.
    pub provider: Arc<Provider>,
    /// The model as the provider knows it.
    pub model: ModelName,
    /// `provider/model`.
    pub label: Arc<str>,
    /// How hard is tried here, as seen from the alias that names it.
    pub resilience: Arc<Resilience>,
    /// What its tokens cost, where known.
    pub price: Option<Price>,
    /// The longest answer it gives, where known.
    pub max_output: Option<u64>,
    /// The longest prompt it takes, where known.
    pub context: Option<u64>,
}

/// What a model's name stands for: targets in order, and how hard is tried.
#[derive(Debug)]
pub struct ModelPolicy {
    /// The name that was resolved: an alias, or `provider/model` itself.
    pub alias: Arc<str>,
    /// Targets in the order in which they are tried; never empty.
    pub targets: Vec<Arc<Target>>,
    /// What holds for the call as a whole: attempts, total time, hold.
    pub resilience: Arc<Resilience>,
    /// The line of the file that declares it.
    pub line: Option<usize>,
}

/// A plain HTTP route.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// What a path begins with, without the slash at its end; empty for every path.
    pub prefix: String,
    /// Whether the prefix goes upstream, too.
    pub keep_prefix: bool,
    /// Who may use it.
    pub access: Access,
    /// Upstreams in the order in which they are tried.
    pub upstreams: Vec<Arc<RouteUpstream>>,
    /// Methods that may be sent again.
    pub methods: Vec<Method>,
    /// How hard is tried.
    pub resilience: Arc<Resilience>,
    /// A header with a secret that every call upstream carries.
    pub auth_header: Option<(HeaderName, HeaderValue)>,
    /// The line of the file that declares it.
    pub line: Option<usize>,
}

impl Route {
    /// Whether a path lies under the route's prefix.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        path.strip_prefix(self.prefix.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether a method may be sent again.
    #[must_use]
    pub fn may_repeat(&self, method: &Method) -> bool {
        self.methods.contains(method)
    }

    /// The path (and query) at an upstream for a request's path (and query), which lies under the prefix.
    #[must_use]
    pub fn upstream_path(&self, upstream: &RouteUpstream, path_and_query: &str) -> String {
        let rest = if self.keep_prefix {
            path_and_query
        } else {
            path_and_query
                .strip_prefix(self.prefix.as_str())
                .unwrap_or(path_and_query)
        };
        let base = &upstream.endpoint.base_path;
        match rest.chars().next() {
            Some('/') => format!("{base}{rest}"),
            _ if base.is_empty() => format!("/{rest}"),
            _ => format!("{base}{rest}"),
        }
    }
}

/// Who may use a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Callers with a key.
    Key,
    /// Anyone from these networks: loopback by default.
    Open {
        /// The networks.
        addresses: Vec<Network>,
    },
}

/// One upstream of a route.
#[derive(Debug, PartialEq, Eq)]
pub struct RouteUpstream {
    /// Its URL as written, without a trailing slash: the target's name in everything people see.
    pub label: Arc<str>,
    /// The same taken apart.
    pub endpoint: Endpoint,
    /// How its certificate is checked.
    pub tls: TlsSettings,
}

/// A key that the configuration declares.
#[derive(Clone, Debug)]
pub struct DeclaredKey {
    /// Its name.
    pub id: KeyId,
    /// SHA-256 of the secret.
    pub hash: KeyHash,
    /// Calls a minute.
    pub rpm: Option<u32>,
    /// Calls at a time.
    pub concurrency: Option<u32>,
    /// Aliases and `provider/model` names it may use; `None` for all. `*` at the end matches any rest.
    pub models: Option<Vec<String>>,
    /// Rights to `x-goodgate-*` request headers.
    pub allow_headers: Vec<String>,
    /// The line of the file that declares it.
    pub line: Option<usize>,
}

impl DeclaredKey {
    /// Whether the key may use a model, by the name that was asked for.
    #[must_use]
    pub fn may_use(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|models| {
            models
                .iter()
                .any(|allowed| match allowed.strip_suffix('*') {
                    Some(start) => model.starts_with(start),
                    None => allowed == model,
                })
        })
    }
}

/// How hard is tried, all parts resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Resilience {
    /// Timers.
    pub timeout: Timeouts,
    /// Attempts of a call, the first counted.
    pub max_attempts: u32,
    /// Different targets of a call.
    pub max_targets: u32,
    /// Waits between attempts at the same target.
    pub backoff: Backoff,
    /// Repeats allowed for each first attempt; 0.2 is 20 %.
    pub retry_budget: f64,
    /// Whether `Retry-After` and its kin are obeyed.
    pub respect_retry_after: bool,
    /// What is not tried again.
    pub retry_except: Vec<Exception>,
    /// When a stream's head goes out.
    pub hold: Hold,
    /// How long it is held at most.
    pub hold_for: Duration,
}

impl Default for Resilience {
    fn default() -> Self {
        Self {
            timeout: Timeouts::default(),
            max_attempts: 4,
            max_targets: 3,
            backoff: Backoff {
                initial: Duration::from_millis(200),
                max: Duration::from_secs(5),
            },
            retry_budget: 0.2,
            respect_retry_after: true,
            retry_except: Vec::new(),
            hold: Hold::FirstContent,
            hold_for: Duration::from_secs(20),
        }
    }
}

impl Resilience {
    /// Whether the configuration forbids trying again after this.
    #[must_use]
    pub fn excepts(&self, code: Code) -> bool {
        self.retry_except.iter().any(|exception| match exception {
            Exception::Code(own) => *own == code,
            Exception::Group(group) => *group == code.facts().group,
        })
    }
}

/// The timers of an attempt. Unset ones have variants by the kind of call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name look-up; 2 s.
    pub dns: Duration,
    /// TCP connect, all addresses; 3 s.
    pub connect: Duration,
    /// TLS handshake; 5 s.
    pub tls: Duration,
    /// Sending without progress; 30 s.
    pub write: Duration,
    /// From the request sent to the whole head; unset: 60 s, 300 s for whole answers of models.
    pub response_header: Option<Duration>,
    /// From the request sent to the first content event; unset: 30 s, with reasoning 60 s.
    pub first_token: Option<Duration>,
    /// Silence in an answer's body; unset: 30 s, 60 s in streams.
    pub idle: Option<Duration>,
    /// All attempts together; unset: 600 s for streams, 300 s for others.
    pub total: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            dns: Duration::from_secs(2),
            connect: Duration::from_secs(3),
            tls: Duration::from_secs(5),
            write: Duration::from_secs(30),
            response_header: None,
            first_token: None,
            idle: None,
            total: None,
        }
    }
}

/// Something that is not to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// One code.
    Code(Code),
    /// A group of codes.
    Group(Group),
}

/// When a stream's head goes to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// With the first content event.
    FirstContent,
    /// When the whole answer is there.
    Whole,
}

/// How much of an error the caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorDetail {
    /// Everything but secrets and prompts.
    Full,
    /// Without addresses and upstream text.
    Summary,
    /// Group, code, fix and request id.
    None,
}

/// Where calls are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The database file; `None` puts it into the state folder.
    pub path: Option<PathBuf>,
    /// How long metadata of calls is kept; 30 days by default.
    pub retain: Duration,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}
