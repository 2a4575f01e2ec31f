//! Puts the checked parts of a configuration together and builds the tables over them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use resilience::balance::Strategy;
use types::{CredentialId, ModelName};

use crate::resolve::{self, Index};
use crate::snapshot::{
    Admin, Credential, DeclaredKey, ErrorDetail, ListedModel, LogFormat, ModelPolicy, Origin,
    Provider, Resilience, Route, Server, Snapshot, Storage, Telemetry, TlsSettings,
};

/// The name of the scripted provider.
pub(crate) const DEMO: &str = "demo";

/// The name of the provider that is the local model.
pub(crate) const LOCAL: &str = "local";

/// The alias that survives a dead target on a stranger's first call.
pub(crate) const FIRST: &str = "first";

/// The local model's name.
pub(crate) const LOCAL_MODEL: &str = "smollm2";

/// The scripted models, the one that answers first.
pub(crate) const DEMO_MODELS: &[&str] = &[
    "echo",
    "flaky-502",
    "slow",
    "rate-limited",
    "html-502",
    "cut-stream",
    "down",
];

/// Where the demo models are until the gateway has started them: the discard port, which nothing listens on.
const DEMO_NOWHERE: &str = "http://127.0.0.1:9";

/// Everything of a snapshot but its tables.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) origin: Origin,
    pub(crate) server: Server,
    pub(crate) admin: Admin,
    pub(crate) providers: Vec<Arc<Provider>>,
    pub(crate) models: HashMap<String, Arc<ModelPolicy>>,
    pub(crate) routes: Vec<Arc<Route>>,
    pub(crate) keys: Vec<DeclaredKey>,
    pub(crate) resilience: Arc<Resilience>,
    pub(crate) errors: Option<ErrorDetail>,
    pub(crate) demo: bool,
    pub(crate) storage: Storage,
    pub(crate) log_format: LogFormat,
    pub(crate) telemetry: Telemetry,
}

impl Parts {
    /// Defaults for everything.
    pub(crate) fn new(origin: Origin) -> Self {
        Self {
            origin,
            server: Server::default(),
            admin: Admin { listen: None },
            providers: Vec::new(),
            models: HashMap::new(),
            routes: Vec::new(),
            keys: Vec::new(),
            resilience: Arc::new(Resilience::default()),
            errors: None,
            demo: false,
            storage: Storage {
                path: None,
                retain: Duration::from_secs(30 * 86_400),
            },
            log_format: LogFormat::Auto,
            telemetry: Telemetry::default(),
        }
    }

    /// Adds the demo provider, and the alias `first` unless there is one.
    pub(crate) fn add_demo(&mut self, url: Option<&str>) {
        let Some(demo) = demo_provider(url, &self.resilience) else {
            return;
        };
        self.demo = true;
        let local = self
            .providers
            .iter()
            .find(|provider| provider.id.as_str() == LOCAL)
            .cloned();
        self.providers.push(demo.clone());
        if self.models.contains_key(FIRST) {
            return;
        }
        let target =
            |provider, model| Arc::new(resolve::target(provider, model, self.resilience.clone()));
        let last = match &local {
            Some(local) => target(local, LOCAL_MODEL),
            None => target(&demo, "echo"),
        };
        let policy = ModelPolicy {
            alias: Arc::from(FIRST),
            targets: vec![target(&demo, "down"), last],
            strategy: Strategy::Ordered,
            sticky: None,
            resilience: self.resilience.clone(),
            line: None,
        };
        self.models.insert(FIRST.to_owned(), Arc::new(policy));
    }

    /// Builds the tables.
    pub(crate) fn assemble(mut self) -> Snapshot {
        self.routes.sort_by_key(|route| route.rank());
        let index = Index::build(&self.providers, &self.models, &HashMap::new());
        // Loopback sees everything, others do not learn addresses, unless the configuration says so.
        let errors = match self.errors {
            Some(written) => written,
            None if self.server.is_loopback() => ErrorDetail::Full,
            None => ErrorDetail::Summary,
        };
        Snapshot {
            version: 1,
            origin: self.origin,
            server: self.server,
            admin: self.admin,
            provider_order: self.providers.iter().map(|one| one.id.clone()).collect(),
            providers: self
                .providers
                .into_iter()
                .map(|provider| (provider.id.clone(), provider))
                .collect(),
            models: self.models,
            routes: self.routes,
            keys: self.keys,
            resilience: self.resilience,
            errors,
            demo: self.demo,
            storage: self.storage,
            log_format: self.log_format,
            telemetry: self.telemetry,
            index,
        }
    }
}

/// A credential that is no secret, for providers that are called without one.
pub(crate) fn no_credential() -> Arc<Credential> {
    Arc::new(Credential {
        id: CredentialId::new("none"),
        secret: None,
        source: String::new(),
    })
}

/// A model listed under its own name.
pub(crate) fn listed(name: &str) -> ListedModel {
    ListedModel {
        name: ModelName::new(name),
        upstream: ModelName::new(name),
        price: None,
        context: None,
        max_output: None,
        max_concurrency: None,
    }
}

fn demo_provider(url: Option<&str>, resilience: &Arc<Resilience>) -> Option<Arc<Provider>> {
    let kind = provider::kind(DEMO)?;
    let endpoint = provider::request::endpoint(kind, Some(url.unwrap_or(DEMO_NOWHERE))).ok()?;
    let models = DEMO_MODELS.iter().map(|name| ListedModel {
        price: Some(provider::catalog::Price::FREE),
        ..listed(name)
    });
    Some(Arc::new(Provider {
        id: DEMO.into(),
        kind,
        endpoint,
        credentials: vec![no_credential()],
        headers: Vec::new(),
        tls: TlsSettings::default(),
        http: crate::snapshot::HttpVersion::One,
        resilience: resilience.clone(),
        models: models.collect(),
        maintenance: Vec::new(),
        detected: true,
        line: None,
    }))
}
