//! Providers, their keys and models, and the targets that aliases name.

use std::path::PathBuf;
use std::sync::Arc;

use ::resilience::balance::Strategy;
use http::header::{HeaderName, HeaderValue};
use provider::catalog::Price;
use provider::{Endpoint, Kind};
use types::{CredentialId, ModelName, NanoUsd, ProviderId, Secret};

use super::{Maintenance, Resilience};

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
    /// Which HTTP is spoken to it.
    pub http: HttpVersion,
    /// How hard is tried here.
    pub resilience: Arc<Resilience>,
    /// Models that the configuration lists; empty where it lists none (any model then).
    pub models: Vec<ListedModel>,
    /// When it is out of use by plan.
    pub maintenance: Vec<Maintenance>,
    /// Whether it was taken from the environment or a probe, not from a file.
    pub detected: bool,
    /// The line of the file that declares it.
    pub line: Option<usize>,
}

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1.
    #[default]
    One,
    /// HTTP/2 alone.
    Two,
    /// HTTP/2 where a TLS server chooses it, else HTTP/1.1.
    Auto,
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
    /// The most calls at a time, where the configuration says so.
    pub max_concurrency: Option<u32>,
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
    /// Its share among the targets of the alias that names it; 0: only where no other takes calls. 1.
    pub weight: u32,
    /// Whether the configuration, the catalogue or the provider's own list names it, and not a caller alone.
    pub is_named: bool,
}

/// What keeps a conversation at the target that answered it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sticky {
    /// What leaving a warm prompt cache for a faster or less busy target may cost at most.
    pub max_cache_loss: NanoUsd,
}

/// What a model's name stands for: targets in order, and how hard is tried.
#[derive(Debug)]
pub struct ModelPolicy {
    /// The name that was resolved: an alias, or `provider/model` itself.
    pub alias: Arc<str>,
    /// Targets in the order in which they are written; never empty.
    pub targets: Vec<Arc<Target>>,
    /// Which of them a call begins with.
    pub strategy: Strategy,
    /// What keeps a conversation where it was; none: nothing.
    pub sticky: Option<Sticky>,
    /// What holds for the call as a whole: attempts, total time, hold.
    pub resilience: Arc<Resilience>,
    /// The line of the file that declares it.
    pub line: Option<usize>,
}
