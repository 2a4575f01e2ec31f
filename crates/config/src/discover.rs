//! Without a file: what the environment names. Provider keys, the local model, servers that may run on this machine,
//! and the demo models where nothing else is there.

use std::path::Path;
use std::sync::Arc;

use provider::request;
use provider::{Endpoint, KINDS, Kind, Place};
use types::{CredentialId, ProviderId, Secret};

use crate::assemble::{self, DEMO, LOCAL, LOCAL_MODEL, Parts};
use crate::diagnostic::Diagnostic;
use crate::environment::Environment;
use crate::keys;
use crate::load;
use crate::snapshot::{Credential, Origin, Provider, Resilience, Server, Snapshot, TlsSettings};

/// The variable by which the starter of the local model says where it is.
pub const LOCAL_MODEL_VARIABLE: &str = "GOODGATE_LOCAL_MODEL_URL";

/// What the environment gave.
#[derive(Debug)]
pub struct Discovery {
    /// A policy over what was found.
    pub snapshot: Snapshot,
    /// Providers that were found, for the start screen.
    pub found: Vec<Found>,
    /// Kinds whose key is not set: the kind and the variable that would hold it.
    pub missing: Vec<(&'static Kind, &'static str)>,
    /// Variables that were set and are not used, with the reason.
    pub ignored: Vec<Ignored>,
    /// Servers that may run: to be asked, and given to [`discover_with`] if they answer.
    pub candidates: Vec<Candidate>,
    /// What is wrong with settings in variables and flags; with an error among it the snapshot is all defaults and
    /// must not run.
    pub diagnostics: Vec<Diagnostic>,
}

/// A provider that the environment names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub provider: ProviderId,
    /// The variable that names it, or the address that answered.
    pub source: String,
    /// The end of its key (`…x7Qa`), where it has one.
    pub key_hint: Option<String>,
}

/// A variable that is set and not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Its name.
    pub variable: String,
    /// Why, as a sentence's end: "is a key of goodgate itself".
    pub reason: String,
}

/// A server that may run at a usual place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The name its provider would get.
    pub provider: ProviderId,
    /// What it would be.
    pub kind: &'static Kind,
    /// Where it would be.
    pub endpoint: Endpoint,
    /// `host:port`, for people.
    pub address: String,
}

/// What the environment names; `demo_url` says where the demo models run, once they do.
///
/// `snapshot.demo` tells whether they are wanted: start them, then discover again with their address.
#[must_use]
pub fn discover(environment: &Environment, demo_url: Option<&str>) -> Discovery {
    discover_with(environment, demo_url, &[])
}

/// The same, with the candidates that answered.
#[must_use]
pub fn discover_with(
    environment: &Environment,
    demo_url: Option<&str>,
    answered: &[Candidate],
) -> Discovery {
    // Without a file, variables and flags still are settings.
    let environment = match demo_url {
        Some(url) => &environment.clone().with_demo_url(url),
        None => environment,
    };
    let (parts, diagnostics) = load::read(
        "",
        Path::new("the environment"),
        Origin::Environment,
        environment,
    );
    let mut parts = parts.unwrap_or_else(|| Parts::new(Origin::Environment));
    let mut search = Search::new(environment, &parts);
    search.services();
    search.local_model();
    search.candidates();
    search.answered(answered);
    let is_real = |provider: &Arc<Provider>| provider.id.as_str() != LOCAL;
    let is_asked = |name: &str| environment.setting(name).is_some();
    let wants_demo =
        !is_asked("demo") && !search.providers.iter().any(is_real) && parts.server.is_loopback();
    parts.providers = search.providers;
    parts.providers.sort_by_key(|one| one.id.as_str() == DEMO);
    if wants_demo {
        parts.add_demo(environment.demo_url());
    }
    Discovery {
        snapshot: parts.assemble(),
        found: search.found,
        missing: search.missing,
        ignored: search.ignored,
        candidates: search.candidates,
        diagnostics,
    }
}

struct Search<'a> {
    environment: &'a Environment,
    server: Server,
    resilience: Arc<Resilience>,
    found: Vec<Found>,
    providers: Vec<Arc<Provider>>,
    missing: Vec<(&'static Kind, &'static str)>,
    ignored: Vec<Ignored>,
    candidates: Vec<Candidate>,
}

impl<'a> Search<'a> {
    fn new(environment: &'a Environment, parts: &Parts) -> Self {
        Self {
            environment,
            server: parts.server.clone(),
            resilience: parts.resilience.clone(),
            found: Vec::new(),
            providers: parts.providers.clone(),
            missing: Vec::new(),
            ignored: Vec::new(),
            candidates: Vec::new(),
        }
    }

    /// Companies' services whose key is set.
    fn services(&mut self) {
        for kind in KINDS.iter().filter(|kind| kind.place == Place::Service) {
            // Settings in variables may have named it already.
            if self
                .providers
                .iter()
                .any(|one| one.id.as_str() == kind.name)
            {
                continue;
            }
            let Some((variable, key)) = self.key_of(kind) else {
                if let Some(variable) = kind.key_variables.first() {
                    self.missing.push((kind, variable));
                }
                continue;
            };
            let Some(endpoint) = self.endpoint_of(kind) else {
                continue;
            };
            self.found.push(Found {
                provider: kind.name.into(),
                source: variable.to_owned(),
                key_hint: Some(key.hint()),
            });
            let credential = Credential {
                id: CredentialId::new("default"),
                secret: Some(key),
                source: variable.to_owned(),
            };
            self.add(kind.name, kind, endpoint, credential);
        }
    }

    /// The first of a kind's variables that holds a usable key.
    fn key_of(&mut self, kind: &'static Kind) -> Option<(&'static str, Secret)> {
        for variable in kind.key_variables {
            let Some(value) = self.environment.get(variable) else {
                continue;
            };
            let value = value.trim();
            let key = Secret::new(value.to_owned());
            if value.starts_with(keys::PREFIX) {
                self.ignore(variable, "is a key of goodgate itself, not of a provider");
            } else if provider::auth::is_sendable(&key) {
                return Some((variable, key));
            } else {
                self.ignore(variable, "holds characters that no key has");
            }
        }
        None
    }

    /// The address that the environment gives a service, or its own.
    fn endpoint_of(&mut self, kind: &'static Kind) -> Option<Endpoint> {
        let own = || request::endpoint(kind, None).ok();
        let Some((variable, written)) = kind
            .base_url_variables
            .iter()
            .find_map(|variable| Some((*variable, self.environment.get(variable)?)))
        else {
            return own();
        };
        match request::endpoint(kind, Some(written)) {
            Ok(endpoint) if self.is_ourselves(&endpoint) => {
                self.ignore(variable, "points at goodgate itself");
                own()
            }
            Ok(endpoint) => Some(endpoint),
            Err(error) => {
                self.ignore(variable, &error.to_string());
                own()
            }
        }
    }

    /// The model that was started beside the gateway.
    fn local_model(&mut self) {
        match local_provider(self.environment, &self.resilience) {
            Some(Ok(local)) => {
                self.found.push(Found {
                    provider: LOCAL.into(),
                    source: format!("{}:{}", local.endpoint.host, local.endpoint.port),
                    key_hint: None,
                });
                // With `demo: true` in a variable it is there already.
                if !self.providers.iter().any(|one| one.id == local.id) {
                    self.providers.push(Arc::new(local));
                }
            }
            Some(Err(error)) => self.ignore(LOCAL_MODEL_VARIABLE, &error.to_string()),
            None => {}
        }
    }

    /// Servers at their usual places, where nothing of the same address is there yet.
    fn candidates(&mut self) {
        for (kind, variable, port) in [
            ("ollama", "OLLAMA_HOST", 11_434),
            ("llama-cpp", "LLAMA_CPP_HOST", 8080),
        ] {
            let Some(kind) = provider::kind(kind) else {
                continue;
            };
            let written = self.environment.get(variable);
            let Some(endpoint) = host_variable(kind, written.unwrap_or_default(), port) else {
                self.ignore(variable, "names no host and port");
                continue;
            };
            if self.is_ourselves(&endpoint) {
                if written.is_some() {
                    self.ignore(variable, "points at goodgate itself");
                }
                continue;
            }
            let taken = |known: &Endpoint| {
                known.port == endpoint.port && is_same_host(&known.host, &endpoint.host)
            };
            if self.providers.iter().any(|one| taken(&one.endpoint)) {
                continue;
            }
            self.candidates.push(Candidate {
                provider: kind.name.into(),
                kind,
                address: format!("{}:{}", endpoint.host, endpoint.port),
                endpoint,
            });
        }
    }

    /// Candidates that answered become providers.
    fn answered(&mut self, answered: &[Candidate]) {
        for candidate in answered {
            let name = candidate.provider.as_str();
            if self.providers.iter().any(|one| one.id.as_str() == name) {
                continue;
            }
            self.found.push(Found {
                provider: candidate.provider.clone(),
                source: candidate.address.clone(),
                key_hint: None,
            });
            let credential = match self.key_of(candidate.kind) {
                Some((variable, key)) => Credential {
                    id: CredentialId::new("default"),
                    secret: Some(key),
                    source: variable.to_owned(),
                },
                None => keyless(),
            };
            self.add(name, candidate.kind, candidate.endpoint.clone(), credential);
        }
    }

    fn add(&mut self, name: &str, kind: &'static Kind, endpoint: Endpoint, credential: Credential) {
        self.providers.push(Arc::new(Provider {
            id: name.into(),
            kind,
            endpoint,
            credentials: vec![Arc::new(credential)],
            headers: Vec::new(),
            tls: TlsSettings::default(),
            http: crate::snapshot::HttpVersion::One,
            resilience: self.resilience.clone(),
            models: Vec::new(),
            maintenance: Vec::new(),
            detected: true,
            line: None,
        }));
    }

    fn ignore(&mut self, variable: &str, reason: &str) {
        self.ignored.push(Ignored {
            variable: variable.to_owned(),
            reason: reason.to_owned(),
        });
    }

    fn is_ourselves(&self, endpoint: &Endpoint) -> bool {
        let listen = self.server.listen;
        endpoint.port == listen.port()
            && (is_same_host(&endpoint.host, "127.0.0.1")
                || endpoint.host == listen.ip().to_string()
                || self.server.hosts.contains(&endpoint.host))
    }
}

/// The provider of the model that was started beside the gateway, if one was.
pub(crate) fn local_provider(
    environment: &Environment,
    resilience: &Arc<Resilience>,
) -> Option<Result<Provider, request::BaseUrlError>> {
    let url = environment.get(LOCAL_MODEL_VARIABLE)?;
    let kind = provider::kind("llama-cpp")?;
    Some(request::endpoint(kind, Some(url)).map(|endpoint| Provider {
        id: LOCAL.into(),
        kind,
        endpoint,
        credentials: vec![Arc::new(keyless())],
        headers: Vec::new(),
        tls: TlsSettings::default(),
        http: crate::snapshot::HttpVersion::One,
        resilience: resilience.clone(),
        models: vec![assemble::listed(LOCAL_MODEL)],
        maintenance: Vec::new(),
        detected: true,
        line: None,
    }))
}

fn keyless() -> Credential {
    Credential {
        id: CredentialId::new("none"),
        secret: None,
        source: String::new(),
    }
}

/// Whether two hosts are the same one; all names of loopback are.
pub(crate) fn is_same_host(one: &str, other: &str) -> bool {
    let is_loopback = |host: &str| {
        host == "localhost"
            || host.ends_with(".localhost")
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    };
    one == other || (is_loopback(one) && is_loopback(other))
}

/// `OLLAMA_HOST` and its like: a URL, `host:port`, a host, `:port`, or an address to listen on.
fn host_variable(kind: &Kind, written: &str, default_port: u16) -> Option<Endpoint> {
    let written = written.trim().trim_end_matches('/');
    if written.contains("://") {
        let mut endpoint = request::endpoint(kind, Some(written)).ok()?;
        let has_port = written
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.starts_with(|first: char| first.is_ascii_digit()));
        if !has_port && endpoint.scheme == provider::Scheme::Http {
            endpoint.port = default_port;
        }
        return Some(listening(endpoint));
    }
    let url = match written.rsplit_once(':') {
        _ if written.is_empty() => format!("http://127.0.0.1:{default_port}"),
        Some(("", port)) => format!("http://127.0.0.1:{port}"),
        Some((host, _)) if host.contains(':') && !host.ends_with(']') => {
            format!("http://[{written}]:{default_port}")
        }
        Some((_, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("http://{written}")
        }
        _ => format!("http://{written}:{default_port}"),
    };
    request::endpoint(kind, Some(&url)).ok().map(listening)
}

/// An address to listen on everywhere is reached on loopback.
fn listening(mut endpoint: Endpoint) -> Endpoint {
    if matches!(endpoint.host.as_str(), "0.0.0.0" | "::") {
        "127.0.0.1".clone_into(&mut endpoint.host);
    }
    endpoint
}
