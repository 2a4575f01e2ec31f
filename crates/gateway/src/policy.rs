//! A configuration snapshot made ready for calls: destinations and header blocks are prepared once, not for each call.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, Instant};

use config::{Provider, RouteUpstream, Snapshot};
use diagnosis::Surroundings;
use dialect::Dialect;
use http::header::HOST;
use provider::Operation;
use resilience::registry::Registry;
use resilience::state::{CredentialState, ProviderState};
use types::ProviderId;

use crate::hosts::{Host, Hosts};
use crate::intake::HttpCall;
use crate::lanes::health::Checked;

/// One policy, held by a call from start to end.
#[derive(Debug)]
pub struct Policy {
    /// What the configuration says.
    pub snapshot: Arc<Snapshot>,
    providers: HashMap<ProviderId, Arc<ReadyProvider>>,
    upstreams: HashMap<Arc<str>, Arc<ReadyUpstream>>,
    hosts: Hosts,
    explain_base: Option<String>,
    has_maintenance: bool,
}

/// A provider, ready to be called.
#[derive(Debug)]
pub struct ReadyProvider {
    /// What is configured.
    pub provider: Arc<Provider>,
    /// Where it is.
    pub destination: upstream::Destination,
    /// The host that is there.
    pub host: Arc<Host>,
    /// One for each credential, in the order of the configuration: the header lines that never change.
    pub header_blocks: Vec<Vec<u8>>,
    /// Where chat calls go, where the model's name is no part of it.
    pub chat_path: Option<String>,
    states: OnceLock<States>,
}

/// What is remembered of a provider and its keys, looked up once for each configuration.
#[derive(Debug)]
pub(crate) struct States {
    /// Of the provider.
    pub(crate) provider: Arc<ProviderState>,
    /// Of its keys, in the order of the configuration.
    pub(crate) credentials: Vec<Arc<CredentialState>>,
}

/// Tells configurations apart, in this process alone: secrets are among what is hashed.
static FINGERPRINTS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// An upstream of a plain route, ready to be called.
#[derive(Debug)]
pub struct ReadyUpstream {
    /// Where it is.
    pub destination: upstream::Destination,
    /// The same for calls that ask for another protocol, which HTTP/1.1 alone can be.
    http1: upstream::Destination,
    /// The host that is there.
    pub host: Arc<Host>,
    /// The header lines that never change.
    pub header_block: Vec<u8>,
    /// How it is asked whether it is well, and what was seen.
    pub checked: Option<Checked>,
    fingerprint: u64,
    states: OnceLock<States>,
}

/// A snapshot that cannot be made ready.
#[derive(Debug, thiserror::Error)]
#[error("{place} cannot be made ready: {cause}")]
pub struct NotReady {
    /// Which provider or route.
    pub place: String,
    /// Why.
    #[source]
    pub cause: upstream::TlsPolicyError,
}

impl Policy {
    /// Makes a snapshot ready.
    ///
    /// # Errors
    /// When a provider's or route's TLS files cannot be read or understood.
    pub fn prepare(snapshot: Snapshot) -> Result<Self, NotReady> {
        let mut hosts = Hosts::default();
        let mut providers = HashMap::new();
        for (id, provider) in &snapshot.providers {
            let ready = ReadyProvider::prepare(provider, &mut hosts).map_err(|cause| NotReady {
                place: format!("provider '{id}'"),
                cause,
            })?;
            providers.insert(id.clone(), Arc::new(ready));
        }
        let mut upstreams = HashMap::new();
        for route in &snapshot.routes {
            for upstream in &route.upstreams {
                let ready =
                    ReadyUpstream::prepare(route, upstream, &mut hosts).map_err(|cause| {
                        NotReady {
                            place: format!("route '{}'", route.name),
                            cause,
                        }
                    })?;
                upstreams.insert(upstream_key(&route.name, &upstream.label), Arc::new(ready));
            }
        }
        let explain_base = explain_base(&snapshot);
        let mut all = snapshot.providers.values();
        let has_maintenance = all.any(|provider| !provider.maintenance.is_empty());
        Ok(Self {
            snapshot: Arc::new(snapshot),
            providers,
            upstreams,
            hosts,
            explain_base,
            has_maintenance,
        })
    }

    /// The provider, ready.
    #[must_use]
    pub fn provider(&self, id: &ProviderId) -> Option<&Arc<ReadyProvider>> {
        self.providers.get(id)
    }

    /// The upstream of a plain route, ready.
    #[must_use]
    pub fn upstream(&self, route: &str, label: &str) -> Option<&Arc<ReadyUpstream>> {
        self.upstreams.get(&upstream_key(route, label))
    }

    /// All upstreams of plain routes, ready.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = &ReadyUpstream> {
        self.upstreams.values().map(|ready| &**ready)
    }

    /// Which upstreams of plain routes are well, by URL: those whose health is asked after. One that several routes ask
    /// after is well if all of them find it so.
    #[must_use]
    pub fn health(&self) -> Vec<(String, bool)> {
        let mut health: BTreeMap<&str, bool> = BTreeMap::new();
        for route in &self.snapshot.routes {
            for upstream in &route.upstreams {
                let ready = self.upstream(&route.name, &upstream.label);
                if let Some(checked) = ready.and_then(|ready| ready.checked.as_ref()) {
                    *health.entry(&upstream.label).or_insert(true) &= checked.is_well();
                }
            }
        }
        let owned = health.into_iter().map(|(url, well)| (url.to_owned(), well));
        owned.collect()
    }

    /// `goodgate.yaml:14`: a line of the configuration, where there is a file.
    #[must_use]
    pub fn place(&self, line: Option<usize>) -> Option<String> {
        let config::Origin::File(path) = &self.snapshot.origin else {
            return None;
        };
        let name = path.file_name()?.to_string_lossy().into_owned();
        line.map(|line| format!("{name}:{line}"))
    }

    /// What is known of other hosts when one fails.
    pub(crate) fn surroundings(&self, host: &Arc<Host>, now: Instant) -> Surroundings {
        self.hosts.around(host, now)
    }

    /// Whether any provider has a planned window, at whatever time.
    #[must_use]
    pub fn has_maintenance(&self) -> bool {
        self.has_maintenance
    }

    /// The address of the web UI for links in errors: on loopback and where a public one is configured.
    #[must_use]
    pub fn explain_base(&self) -> Option<&str> {
        self.explain_base.as_deref()
    }
}

fn upstream_key(route: &str, label: &str) -> Arc<str> {
    Arc::from(format!("{route} {label}"))
}

fn explain_base(snapshot: &Snapshot) -> Option<String> {
    if let Some(url) = &snapshot.server.public_url {
        return Some(url.trim_end_matches('/').to_owned());
    }
    let listen = snapshot.server.listen;
    listen
        .ip()
        .is_loopback()
        .then(|| format!("http://{listen}"))
}

/// An idle connection to a plain host, whose calls may not be sent twice, is kept for less than common servers keep it.
/// Source: failures, section on deadlines: 4 s.
const GENERIC_IDLE_LIMIT: Duration = Duration::from_secs(4);

/// This gateway's name in `Via`: a request that already carries it has come round in a circle.
pub static VIA: LazyLock<String> =
    LazyLock::new(|| format!("1.1 goodgate-{:016x}", fastrand::u64(..)));

const USER_AGENT: &str = concat!("goodgate/", env!("CARGO_PKG_VERSION"));

impl ReadyProvider {
    fn prepare(
        provider: &Arc<Provider>,
        hosts: &mut Hosts,
    ) -> Result<Self, upstream::TlsPolicyError> {
        let endpoint = &provider.endpoint;
        let destination = destination(endpoint, &provider.tls)?
            .with_http(http_version(provider.http))
            .with_idle_limit(provider.kind.idle_limit);
        let header_blocks = provider
            .credentials
            .iter()
            .map(|credential| {
                let mut block = HeaderBlock::for_host(&endpoint.authority());
                block.line("user-agent", USER_AGENT.as_bytes());
                block.line("content-type", b"application/json");
                block.line("accept-encoding", b"identity");
                for (name, value) in
                    provider::request::headers(provider.kind, credential.secret.as_ref())
                {
                    block.line(name.as_str(), value.as_bytes());
                }
                for (name, value) in &provider.headers {
                    block.line(name.as_str(), value.as_bytes());
                }
                block.bytes
            })
            .collect();
        let chat = Operation::Chat { stream: false };
        let names_model = provider.kind.dialect == Dialect::Gemini;
        let chat_path =
            (!names_model).then(|| provider::request::path(provider.kind, endpoint, "", chat));
        Ok(Self {
            provider: Arc::clone(provider),
            chat_path,
            destination,
            host: hosts.at(endpoint.authority()),
            header_blocks,
            states: OnceLock::new(),
        })
    }

    /// What is remembered of it. Another address, other headers or another key under the same name begin afresh, so that
    /// what was mended is tried at once.
    pub(crate) fn states(&self, registry: &Registry, ratio: f64) -> &States {
        self.states.get_or_init(|| {
            let provider = &self.provider;
            let endpoint = &provider.endpoint;
            let (name, tls) = (provider.id.as_str(), &provider.tls);
            let headers: Vec<(&str, &[u8])> = provider
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes()))
                .collect();
            let place = (
                endpoint.authority(),
                &endpoint.base_path,
                provider.kind.name,
            );
            let is_plain = endpoint.scheme == provider::Scheme::Http;
            let fingerprint = FINGERPRINTS.hash_one((place, is_plain, tls, headers));
            let credentials = provider.credentials.iter().map(|credential| {
                let secret = credential.secret.as_ref().map(types::Secret::reveal);
                let key = FINGERPRINTS.hash_one((fingerprint, secret));
                registry.credential(&format!("{name}/{}", credential.id), key)
            });
            States {
                credentials: credentials.collect(),
                provider: registry.provider(name, fingerprint, ratio),
            }
        })
    }
}

impl ReadyUpstream {
    fn prepare(
        route: &config::Route,
        upstream: &RouteUpstream,
        hosts: &mut Hosts,
    ) -> Result<Self, upstream::TlsPolicyError> {
        let endpoint = &upstream.endpoint;
        let destination = destination(endpoint, &upstream.tls)?
            .with_http(http_version(upstream.http))
            .with_idle_limit(GENERIC_IDLE_LIMIT);
        let edits = &route.request_headers;
        let host = edits.set.iter().find(|(name, _)| *name == HOST);
        let mut block = match host.and_then(|(_, value)| value.to_str().ok()) {
            Some(host) => HeaderBlock::for_host(host),
            None => HeaderBlock::for_host(&endpoint.authority()),
        };
        let set = edits.set.iter().filter(|(name, _)| *name != HOST);
        for (name, value) in set.chain(&edits.add).chain(&route.auth_header) {
            block.line(name.as_str(), value.as_bytes());
        }
        Ok(Self {
            http1: destination.clone().with_http(upstream::HttpVersion::One),
            destination,
            host: hosts.at(endpoint.authority()),
            header_block: block.bytes,
            checked: upstream.health.clone().map(Checked::new),
            fingerprint: FINGERPRINTS.hash_one((endpoint.authority(), &upstream.tls)),
            states: OnceLock::new(),
        })
    }

    /// What is remembered of it: it is its own provider, and has one key at most.
    pub(crate) fn states(&self, registry: &Registry, label: &str, ratio: f64) -> &States {
        self.states.get_or_init(|| States {
            provider: registry.provider(label, self.fingerprint, ratio),
            credentials: vec![registry.credential(label, self.fingerprint)],
        })
    }

    /// Where a call goes.
    pub(crate) fn destination_for(&self, call: &HttpCall) -> &upstream::Destination {
        if call.upgrade.is_some() {
            &self.http1
        } else {
            &self.destination
        }
    }

    /// Whether it is well, as far as is known.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.checked.as_ref().is_none_or(Checked::is_well)
    }
}

fn http_version(written: config::HttpVersion) -> upstream::HttpVersion {
    match written {
        config::HttpVersion::One => upstream::HttpVersion::One,
        config::HttpVersion::Two => upstream::HttpVersion::Two,
        config::HttpVersion::Auto => upstream::HttpVersion::Auto,
    }
}

/// Where an endpoint is, its TLS made ready.
///
/// # Errors
/// When a TLS file cannot be read or understood.
pub fn destination(
    endpoint: &provider::Endpoint,
    tls: &config::TlsSettings,
) -> Result<upstream::Destination, upstream::TlsPolicyError> {
    Ok(match endpoint.scheme {
        provider::Scheme::Http => upstream::Destination::plain(&endpoint.host, endpoint.port),
        provider::Scheme::Https => {
            let policy = upstream::TlsPolicy::new(&tls_settings(tls))?;
            upstream::Destination::tls(&endpoint.host, endpoint.port, Arc::new(policy))
        }
    })
}

fn tls_settings(written: &config::TlsSettings) -> upstream::TlsSettings {
    upstream::TlsSettings {
        ca_file: written.ca_file.clone(),
        server_name: written.server_name.clone(),
        client_certificate: written.client_cert.clone().zip(written.client_key.clone()),
        minimum: match written.min_version {
            config::TlsVersion::Tls12 => upstream::MinimumTls::V12,
            config::TlsVersion::Tls13 => upstream::MinimumTls::V13,
        },
    }
}

/// Header lines as they go on the wire.
struct HeaderBlock {
    bytes: Vec<u8>,
}

impl HeaderBlock {
    fn for_host(authority: &str) -> Self {
        let mut block = Self {
            bytes: Vec::with_capacity(256),
        };
        block.line("host", authority.as_bytes());
        block.line("via", VIA.as_bytes());
        block
    }

    fn line(&mut self, name: &str, value: &[u8]) {
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b": ");
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
    }
}
