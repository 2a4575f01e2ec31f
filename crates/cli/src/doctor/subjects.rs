//! What is to be examined: everything that is configured, or what the command line names.

use std::sync::Arc;
use std::time::Duration;

use config::{Credential, Environment, Provider, Route, Snapshot, Timeouts};
use http::header::{HeaderName, HeaderValue};
use provider::{Endpoint, KINDS, Kind, Place, request};
use types::CredentialId;
use upstream::{Destination, TlsPolicyError};

use crate::asking;

/// One upstream to examine.
#[derive(Debug)]
pub(crate) struct Subject {
    /// Its name in the configuration, or the URL.
    pub(crate) name: String,
    /// `provider`, `route` or `url`.
    pub(crate) kind: &'static str,
    /// The base URL.
    pub(crate) endpoint: Endpoint,
    /// Where to connect, or why nobody can.
    pub(crate) destination: Result<Destination, TlsPolicyError>,
    /// How long calls may take there.
    pub(crate) timeouts: Timeouts,
    /// Headers that every call carries, keys apart.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// What is asked once it is reached.
    pub(crate) question: Question,
    /// Aliases that lead there, each with how many of its targets do, and how many it has.
    pub(crate) aliases: Vec<(String, Vec<String>)>,
    /// Whether it only may run here, so that its absence is no trouble.
    pub(crate) candidate: bool,
}

/// What is asked of an upstream.
#[derive(Debug)]
pub(crate) enum Question {
    /// Its models, with each key.
    Models {
        /// What it is.
        kind: &'static Kind,
        /// Its keys.
        credentials: Vec<Arc<Credential>>,
        /// Whether its keys are known here.
        keys: Keys,
        /// A model for `--live`: one that is configured.
        model: Option<String>,
    },
    /// Any answer.
    Any {
        /// Whether calls carry a key.
        key: bool,
        /// The path of the health check, where there is one.
        health: Option<String>,
    },
}

/// Whether a provider's keys are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// They are, or none is needed.
    Known,
    /// The URL was named by hand, and no provider of the environment lives there.
    NoneNamed,
}

/// Everything that is configured, in the order of the file.
pub(crate) fn all(snapshot: &Snapshot) -> Vec<Subject> {
    let providers = snapshot
        .providers_in_order()
        .filter(|provider| provider.kind.place != Place::Inside)
        .map(|provider| of_provider(provider, snapshot));
    let routes = snapshot.routes.iter().flat_map(of_route);
    providers.chain(routes).collect()
}

/// What a word of the command line means: a provider, a route, an alias, a model, or a URL.
///
/// # Errors
/// A sentence that says what would have been understood.
pub(crate) fn named(
    word: &str,
    snapshot: Option<&Snapshot>,
    environment: &Environment,
) -> Result<Vec<Subject>, String> {
    if word.contains("://") {
        return of_url(word, snapshot, environment).map(|subject| vec![subject]);
    }
    let Some(snapshot) = snapshot else {
        return Err(format!(
            "'{word}' is no URL, and there is no valid configuration to find it in"
        ));
    };
    let first = word.split('/').next().unwrap_or(word);
    let by_name = |name: &str| {
        let found = snapshot
            .providers
            .values()
            .find(|one| one.id.as_str() == name);
        found.map(|provider| of_provider(provider, snapshot))
    };
    if let Some(policy) = snapshot.models.get(word) {
        let mut subjects: Vec<Subject> = Vec::new();
        for target in &policy.targets {
            let name = target.provider.id.as_str();
            if subjects.iter().all(|known| known.name != name) {
                subjects.push(of_provider(&target.provider, snapshot));
            }
        }
        return Ok(subjects);
    }
    if let Some(subject) = by_name(first) {
        return Ok(vec![subject]);
    }
    if let Some(route) = snapshot.routes.iter().find(|route| *route.name == *word) {
        return Ok(of_route(route));
    }
    let mut known: Vec<&str> = snapshot
        .provider_order
        .iter()
        .map(|id| id.as_str())
        .chain(snapshot.models.keys().map(String::as_str))
        .chain(snapshot.routes.iter().map(|route| &*route.name))
        .collect();
    known.sort_unstable();
    Err(format!(
        "'{word}' is no provider, model, route, URL or request id; there are {}",
        known.join(", ")
    ))
}

/// A server that may run at a usual place.
pub(crate) fn of_candidate(candidate: &config::Candidate) -> Subject {
    Subject {
        name: candidate.provider.as_str().to_owned(),
        kind: "provider",
        destination: asking::destination(&candidate.endpoint, &config::TlsSettings::default()),
        endpoint: candidate.endpoint.clone(),
        timeouts: Timeouts {
            connect: Duration::from_secs(1),
            ..Timeouts::default()
        },
        headers: Vec::new(),
        question: Question::Models {
            kind: candidate.kind,
            credentials: vec![keyless()],
            keys: Keys::Known,
            model: None,
        },
        aliases: Vec::new(),
        candidate: true,
    }
}

fn of_provider(provider: &Arc<Provider>, snapshot: &Snapshot) -> Subject {
    let leads_here = |policy: &config::ModelPolicy| {
        let mut targets = policy.targets.iter();
        targets.any(|target| target.provider.id == provider.id)
    };
    let mut aliases: Vec<(String, Vec<String>)> = snapshot
        .models
        .values()
        .filter(|policy| leads_here(policy))
        .map(|policy| {
            let targets = policy.targets.iter();
            let providers = targets.map(|target| target.provider.id.as_str().to_owned());
            (policy.alias.to_string(), providers.collect())
        })
        .collect();
    aliases.sort();
    let of_alias = snapshot
        .models
        .values()
        .flat_map(|policy| &policy.targets)
        .find(|target| target.provider.id == provider.id)
        .map(|target| target.model.as_str().to_owned());
    let listed = || {
        provider
            .models
            .first()
            .map(|model| model.upstream.as_str().to_owned())
    };
    Subject {
        name: provider.id.as_str().to_owned(),
        kind: "provider",
        destination: asking::destination(&provider.endpoint, &provider.tls),
        endpoint: provider.endpoint.clone(),
        timeouts: provider.resilience.timeout.clone(),
        headers: provider.headers.clone(),
        question: Question::Models {
            kind: provider.kind,
            credentials: provider.credentials.clone(),
            keys: Keys::Known,
            model: of_alias.or_else(listed),
        },
        aliases,
        candidate: false,
    }
}

fn of_route(route: &Arc<Route>) -> Vec<Subject> {
    let several = route.upstreams.len() > 1;
    let numbered = route.upstreams.iter().zip(1..);
    numbered
        .map(|(upstream, number)| Subject {
            name: if several {
                format!("{}#{number}", route.name)
            } else {
                route.name.to_string()
            },
            kind: "route",
            destination: asking::destination(&upstream.endpoint, &upstream.tls),
            endpoint: upstream.endpoint.clone(),
            timeouts: route.resilience.timeout.clone(),
            headers: route.auth_header.iter().cloned().collect(),
            question: Question::Any {
                key: route.auth_header.is_some(),
                health: upstream.health.as_ref().map(|check| check.path.clone()),
            },
            aliases: Vec::new(),
            candidate: false,
        })
        .collect()
}

/// A URL by itself: a provider that lives there with the key that is known of it, a server of models without one, or
/// anything that speaks HTTP.
fn of_url(
    text: &str,
    snapshot: Option<&Snapshot>,
    environment: &Environment,
) -> Result<Subject, String> {
    let endpoint = request::parse_url(text).map_err(|error| format!("{text}: {error}"))?;
    let same_place = |own: &Endpoint| own.host == endpoint.host && own.port == endpoint.port;
    let configured = snapshot.and_then(|snapshot| {
        let mut providers = snapshot.providers_in_order();
        providers.find(|one| same_place(&one.endpoint))
    });
    let subject = |endpoint: Endpoint, tls: &config::TlsSettings, question| Subject {
        name: text.to_owned(),
        kind: "url",
        destination: asking::destination(&endpoint, tls),
        endpoint,
        timeouts: Timeouts::default(),
        headers: Vec::new(),
        question,
        aliases: Vec::new(),
        candidate: false,
    };
    let no_tls = config::TlsSettings::default();
    if let Some(provider) = configured {
        let mut at = endpoint;
        if at.base_path.is_empty() {
            at.base_path.clone_from(&provider.endpoint.base_path);
        }
        let question = Question::Models {
            kind: provider.kind,
            credentials: provider.credentials.clone(),
            keys: Keys::Known,
            model: None,
        };
        return Ok(Subject {
            timeouts: provider.resilience.timeout.clone(),
            headers: provider.headers.clone(),
            ..subject(at, &provider.tls, question)
        });
    }
    let service = KINDS.iter().copied().find(|kind| {
        request::endpoint(kind, None).is_ok_and(|own| kind.needs_key() && same_place(&own))
    });
    let kind = service.or_else(|| {
        let compatible = provider::kind("openai-compatible")?;
        let read = request::endpoint(compatible, Some(text)).ok()?;
        // Only a path that names a version says that models are served there.
        (!endpoint.base_path.is_empty() && read.base_path == endpoint.base_path)
            .then_some(compatible)
    });
    let Some(kind) = kind else {
        return Ok(subject(
            endpoint,
            &no_tls,
            Question::Any {
                key: false,
                health: None,
            },
        ));
    };
    let at = request::endpoint(kind, Some(text)).map_err(|error| format!("{text}: {error}"))?;
    let key = kind.key_variables.iter().find_map(|variable| {
        let value = environment.get(variable)?;
        Some(Arc::new(Credential {
            id: CredentialId::new("default"),
            secret: Some(types::Secret::new(value.trim().to_owned())),
            source: (*variable).to_owned(),
        }))
    });
    // A key goes only to the service that it is of.
    let key = key.filter(|_| service.is_some());
    let question = Question::Models {
        kind,
        keys: if key.is_some() {
            Keys::Known
        } else {
            Keys::NoneNamed
        },
        credentials: vec![key.unwrap_or_else(keyless)],
        model: None,
    };
    Ok(subject(at, &no_tls, question))
}

fn keyless() -> Arc<Credential> {
    Arc::new(Credential {
        id: CredentialId::new("none"),
        secret: None,
        source: String::new(),
    })
}
