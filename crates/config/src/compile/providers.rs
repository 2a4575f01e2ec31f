//! Providers: kind, address, keys.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use provider::{KINDS, Kind, Place, Scheme, request};
use types::{CredentialId, ModelName, ProviderId, Secret};

use super::{Context, effort};
use crate::assemble::{DEMO, listed, no_credential};
use crate::file::{At, Hidden, ListedFile, Named, PriceFile, ProviderFile, TlsFile};
use crate::keys;
use crate::snapshot::{Credential, ListedModel, Provider, Resilience, TlsSettings};
use crate::yaml::Spot;

/// The providers that could be made, and the names of all that were written.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) providers: Vec<Arc<Provider>>,
    /// Also those that could not be made: a target that names one is no second mistake.
    pub(super) names: Vec<String>,
}

impl Known {
    pub(super) fn find(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers.iter().find(|one| one.id.as_str() == name)
    }
}

pub(super) fn compile(
    context: &Context<'_, '_>,
    written: &Named<ProviderFile>,
    base: &Arc<Resilience>,
    demo: bool,
) -> Known {
    let mut known = Known {
        providers: Vec::new(),
        names: Vec::new(),
    };
    for (name, file) in &written.0 {
        known.names.push(name.value.clone());
        if !super::is_good_name(&name.value) || name.value.contains('/') {
            context
                .reader
                .error("bad_name", &name.spot, "this cannot be a provider's name")
                .label("1 to 128 characters, no space and no slash");
            continue;
        }
        if super::is_demo_name(&name.value, demo) && name.value == DEMO {
            context
                .reader
                .error(
                    "duplicate_name",
                    &name.spot,
                    "`demo` is the name of the demo models",
                )
                .help("call this provider otherwise, or write  demo: false");
            continue;
        }
        known
            .providers
            .extend(provider(context, name, file, base).map(Arc::new));
    }
    if demo {
        known.names.push(DEMO.to_owned());
    }
    known
}

fn provider(
    context: &Context<'_, '_>,
    name: &At<String>,
    file: &ProviderFile,
    base: &Arc<Resilience>,
) -> Option<Provider> {
    let kind = kind(context, name, file)?;
    let endpoint = endpoint(context, name, file, kind);
    let credentials = credentials(context, name, file, kind);
    let tls = tls(context, file, endpoint.as_ref());
    let models = file.models.iter().flatten();
    let models = models
        .filter_map(|model| listed_model(context, model))
        .collect();
    let resilience = if has_timers(file) {
        let mut own = (**base).clone();
        own.timeout = effort::timeouts(&file.timeout, &base.timeout);
        Arc::new(own)
    } else {
        base.clone()
    };
    let headers = file.headers.iter().flatten();
    Some(Provider {
        id: ProviderId::new(&name.value),
        kind,
        endpoint: endpoint?,
        credentials: credentials?,
        headers: headers
            .map(|(name, value)| (name.value.clone(), value.value.clone()))
            .collect(),
        tls,
        resilience,
        models,
        detected: false,
        line: line(&name.spot),
    })
}

fn has_timers(file: &ProviderFile) -> bool {
    let timers = &file.timeout;
    [
        &timers.dns,
        &timers.connect,
        &timers.tls,
        &timers.write,
        &timers.response_header,
        &timers.first_token,
        &timers.idle,
        &timers.total,
    ]
    .iter()
    .any(|timer| timer.is_some())
}

fn kind(
    context: &Context<'_, '_>,
    name: &At<String>,
    file: &ProviderFile,
) -> Option<&'static Kind> {
    let (written, spot) = match &file.kind {
        Some(kind) => (kind.value.as_str(), &kind.spot),
        None => (name.value.as_str(), &name.spot),
    };
    let open_kinds = || KINDS.iter().filter(|kind| kind.place != Place::Inside);
    if let Some(kind) = open_kinds().find(|kind| kind.name == written) {
        return Some(kind);
    }
    let names = || open_kinds().map(|kind| kind.name);
    let report = match &file.kind {
        Some(_) => context
            .reader
            .error(
                "unknown_kind",
                spot,
                format!("there is no kind of provider `{written}`"),
            )
            .label("not a type of provider"),
        None => context
            .reader
            .error(
                "unknown_kind",
                spot,
                format!("provider `{written}` has no type"),
            )
            .label("its name is no kind of provider, so it needs a type"),
    };
    match crate::near::name(written, names()) {
        Some(meant) => drop(report.help(format!("did you mean `{meant}`?"))),
        None => {
            let others = names().filter(|name| *name != "openai-compatible");
            let all = others.collect::<Vec<_>>().join(", ");
            drop(report.help(format!("write  type: openai-compatible, or one of {all}")));
        }
    }
    None
}

fn endpoint(
    context: &Context<'_, '_>,
    name: &At<String>,
    file: &ProviderFile,
    kind: &'static Kind,
) -> Option<provider::Endpoint> {
    let written = file.base_url.as_ref();
    // An address that could not be read was told already.
    if written.is_none() && file.has_base_url {
        return None;
    }
    let spot = written.map_or(&name.spot, |url| &url.spot);
    let text = written.map(|url| url.value.trim());
    // On a machine without the variables, an empty place is no mistake.
    if text == Some("") && context.reader.environment().allows_missing() {
        return request::endpoint(kind, Some("http://127.0.0.1:9")).ok();
    }
    match request::endpoint(kind, text) {
        Ok(endpoint) if context.is_ourselves(&endpoint) => {
            let message = format!("`{}` is the gateway's own address", endpoint.url());
            context
                .reader
                .error("own_address", spot, message)
                .label("a call would go round in a circle");
            None
        }
        Ok(endpoint) => Some(endpoint),
        Err(error @ request::BaseUrlError::Missing { .. }) => {
            context
                .reader
                .error(
                    "missing_key",
                    spot,
                    format!("provider `{}` has no base_url", name.value),
                )
                .label(error.to_string())
                .help("write  base_url: http://host:port");
            None
        }
        Err(error) => {
            context
                .reader
                .error("bad_base_url", spot, "this base_url cannot be used")
                .label(error.to_string());
            None
        }
    }
}

fn credentials(
    context: &Context<'_, '_>,
    name: &At<String>,
    file: &ProviderFile,
    kind: &'static Kind,
) -> Option<Vec<Arc<Credential>>> {
    let reader = context.reader;
    match (&file.api_key, &file.credentials) {
        (Some(key), Some(_)) => {
            reader
                .error(
                    "credentials_twice",
                    &key.spot,
                    format!("provider `{}` has api_key and credentials", name.value),
                )
                .label("one of the two")
                .help("put this key into credentials, with a name");
            None
        }
        (Some(key), None) => {
            let secret = usable(context, key)?;
            Some(vec![credential("default", secret, &key.value.source)])
        }
        (None, Some(several)) => {
            let mut names = HashSet::new();
            let mut made = Vec::new();
            for (at, one) in several.iter().enumerate() {
                let Some(key) = &one.api_key else {
                    if !one.has_key {
                        reader
                            .error("missing_key", &one.spot, "this credential has no api_key")
                            .label("write  api_key: ${NAME}, in quotes");
                    }
                    continue;
                };
                let own = match &one.name {
                    Some(name) => name.value.clone(),
                    None => format!("key-{}", at + 1),
                };
                if !names.insert(own.clone()) {
                    reader
                        .error(
                            "credentials_twice",
                            &one.spot,
                            format!("a second credential is called `{own}`"),
                        )
                        .label("each needs a name of its own");
                }
                if let Some(secret) = usable(context, key) {
                    made.push(credential(&own, secret, &key.value.source));
                }
            }
            if several.is_empty() {
                reader
                    .error(
                        "missing_key",
                        &name.spot,
                        format!("provider `{}` has no key", name.value),
                    )
                    .label("its list of credentials is empty");
            }
            Some(made)
        }
        // A key that could not be read was told already.
        (None, None) if file.has_keys => None,
        (None, None) => usual_credential(context, name, file, kind),
    }
    .filter(|made| !made.is_empty())
}

/// The kind's own environment variable, where no key is written.
fn usual_credential(
    context: &Context<'_, '_>,
    name: &At<String>,
    file: &ProviderFile,
    kind: &'static Kind,
) -> Option<Vec<Arc<Credential>>> {
    let environment = context.reader.environment();
    let set = kind
        .key_variables
        .iter()
        .find_map(|variable| Some((*variable, environment.get(variable)?)));
    if let Some((variable, value)) = set {
        let key = At {
            value: Hidden {
                secret: Secret::new(value.trim().to_owned()),
                source: variable.to_owned(),
            },
            spot: name.spot.clone(),
        };
        let secret = usable(context, &key)?;
        return Some(vec![credential("default", secret, variable)]);
    }
    let has_header = |(header, _): &(At<http::HeaderName>, _)| {
        matches!(
            header.value.as_str(),
            "authorization" | "x-api-key" | "api-key" | "x-goog-api-key"
        )
    };
    let brings_own = file.headers.iter().flatten().any(has_header);
    if !kind.needs_key() || brings_own || environment.allows_missing() {
        return Some(vec![no_credential()]);
    }
    let variable = kind.key_variables.first().copied().unwrap_or("API_KEY");
    context
        .reader
        .error(
            "missing_credential",
            &name.spot,
            format!("provider `{}` has no key", name.value),
        )
        .label(format!("{variable} is not set"))
        .help(format!(
            "export {variable}=…, or write  api_key: \"${{NAME}}\""
        ));
    None
}

fn credential(name: &str, secret: Secret, source: &str) -> Arc<Credential> {
    Arc::new(Credential {
        id: CredentialId::new(name),
        secret: Some(secret),
        source: source.to_owned(),
    })
}

/// A key that can be sent to a provider.
fn usable(context: &Context<'_, '_>, key: &At<Hidden>) -> Option<Secret> {
    let reader = context.reader;
    let secret = &key.value.secret;
    if secret.reveal().is_empty() && reader.environment().allows_missing() {
        return Some(Secret::new("missing".to_owned()));
    }
    if secret.reveal().starts_with(keys::PREFIX) {
        reader
            .error("own_key", &key.spot, "this is a key of goodgate itself")
            .label("a provider's key belongs here")
            .help("`goodgate env` sets OPENAI_API_KEY to it: start the gateway from another shell");
        return None;
    }
    if !provider::auth::is_sendable(secret) {
        reader
            .error(
                "bad_header",
                &key.spot,
                "this key is empty or cannot be sent",
            )
            .label("visible ASCII characters, no spaces");
        return None;
    }
    Some(secret.clone())
}

fn tls(
    context: &Context<'_, '_>,
    file: &ProviderFile,
    endpoint: Option<&provider::Endpoint>,
) -> TlsSettings {
    let Some(written) = &file.tls else {
        return TlsSettings::default();
    };
    if endpoint.is_some_and(|endpoint| endpoint.scheme == Scheme::Http) {
        context
            .reader
            .warning("tls_unused", &written.spot, "these settings do nothing")
            .label("base_url says http://");
    }
    let missing_half = match (&written.client_cert, &written.client_key) {
        (Some(_), None) => Some("client_key"),
        (None, Some(_)) => Some("client_cert"),
        _ => None,
    };
    if let Some(missing) = missing_half {
        context
            .reader
            .error(
                "missing_key",
                &written.spot,
                format!("{missing} is missing"),
            )
            .label("client_cert and client_key go together");
    }
    settings(context, written)
}

fn settings(context: &Context<'_, '_>, written: &TlsFile) -> TlsSettings {
    let path = |at: &Option<At<PathBuf>>| at.as_ref().map(|at| existing(context, at));
    TlsSettings {
        ca_file: path(&written.ca_file),
        server_name: written.server_name.as_ref().map(|name| name.value.clone()),
        client_cert: path(&written.client_cert),
        client_key: path(&written.client_key),
        min_version: written
            .min_version
            .as_ref()
            .map(|version| version.value)
            .unwrap_or_default(),
    }
}

/// A file that must be there; a relative path starts at the configuration's folder.
fn existing(context: &Context<'_, '_>, at: &At<PathBuf>) -> PathBuf {
    let path = context
        .folder
        .unwrap_or_else(|| Path::new(""))
        .join(&at.value);
    if !path.is_file() && !context.reader.environment().allows_missing() {
        context
            .reader
            .error(
                "file_not_found",
                &at.spot,
                format!("{} is not there", at.value.display()),
            )
            .label("no such file");
    }
    path
}

fn listed_model(context: &Context<'_, '_>, file: &ListedFile) -> Option<ListedModel> {
    if !super::is_good_name(&file.name.value) {
        context
            .reader
            .error("bad_name", &file.name.spot, "this cannot be a model's name")
            .label("1 to 128 characters, no space");
        return None;
    }
    let details = &file.details;
    let mut model = listed(&file.name.value);
    if let Some(upstream) = &details.model {
        model.upstream = ModelName::new(&upstream.value);
    }
    model.price = details
        .price
        .as_ref()
        .and_then(|written| price(context, written));
    model.context = details.context.as_ref().map(|at| at.value);
    model.max_output = details.max_output.as_ref().map(|at| at.value);
    Some(model)
}

fn price(context: &Context<'_, '_>, written: &PriceFile) -> Option<provider::catalog::Price> {
    if !written.is_complete {
        context
            .reader
            .error("missing_key", &written.spot, "a price has input and output")
            .label("write  { input: 0.25, output: 2 }");
    }
    let (input, output) = (written.input.as_ref()?, written.output.as_ref()?);
    let or_input =
        |at: &Option<At<provider::catalog::Rate>>| at.as_ref().map_or(input.value, |at| at.value);
    Some(provider::catalog::Price {
        input: input.value,
        output: output.value,
        cache_read: or_input(&written.cache_read),
        cache_write: or_input(&written.cache_write),
    })
}

/// The line of a place in the file.
pub(super) fn line(spot: &Spot) -> Option<usize> {
    spot.origin.is_none().then_some(spot.span.line)
}
