//! What runs: validated, indexed and immutable. One snapshot is held for the whole of a call.

mod maintenance;
mod resilience;
mod route;
mod target;
mod telemetry;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use types::{KeyId, Priority, ProviderId, TeamId};

pub use self::maintenance::{Maintenance, Window};
pub use self::resilience::{Exception, Hold, Resilience, Timeouts};
pub use self::route::{
    Access, HeaderEdits, HealthCheck, HostPattern, Matched, Network, PathPattern, PrefixRewrite,
    Route, RouteStrategy, RouteUpstream,
};
pub use self::target::{
    Credential, HttpVersion, ListedModel, ModelPolicy, Provider, Sticky, Target, TlsSettings,
    TlsVersion,
};
pub use self::telemetry::{Telemetry, TraceExport};
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
    /// Plain HTTP routes, the narrowest first.
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
    /// Where metrics, spans and log lines go.
    pub telemetry: Telemetry,
    pub(crate) index: crate::resolve::Index,
}

impl Snapshot {
    /// The same policy as this number of a series.
    #[must_use]
    pub fn with_version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// The route for a request: the narrowest by host, then path, then method. The host is without a port.
    #[must_use]
    pub fn route(&self, host: &str, method: &Method, path: &str) -> Matched<'_> {
        let mut others = Vec::new();
        for route in &self.routes {
            if !route.covers(path) || !route.is_for(host) {
                continue;
            }
            if route.takes(method) {
                return Matched::Route(route);
            }
            others.extend(route.takes.iter().cloned());
        }
        if others.is_empty() {
            Matched::Nothing
        } else {
            Matched::OtherMethods(others)
        }
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
    /// How long the listener stays open after readiness has failed; 5 s by default, on loopback 0 s.
    pub drain_delay: Option<Duration>,
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
            drain_delay: None,
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
    /// How long the listener stays open after readiness has failed: balancers ask every few seconds, and nothing
    /// balances what only this machine can reach.
    #[must_use]
    pub fn listener_stays(&self) -> Duration {
        let usual = if self.is_loopback() { 0 } else { 5 };
        self.drain_delay
            .unwrap_or_else(|| Duration::from_secs(usual))
    }

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
    /// Whose calls come first where there is no room for all.
    pub priority: Priority,
    /// Whom it belongs to.
    pub team: Option<TeamId>,
    /// When its streams' heads go out; `None` leaves that to the model.
    pub hold: Option<Hold>,
    /// Aliases and `provider/model` names it may use; `None` for all. `*` at the end matches any rest.
    pub models: Option<Vec<String>>,
    /// Rights to `x-goodgate-*` request headers.
    pub allow_headers: Vec<String>,
    /// The line of the file that declares it.
    pub line: Option<usize>,
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
