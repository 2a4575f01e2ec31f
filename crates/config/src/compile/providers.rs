//! Providers: kind, address, models.

use std::sync::Arc;

use provider::{KINDS, Kind, Place, request};
use types::{ModelName, ProviderId};

use super::{Context, credentials, effort, guards, tls};
use crate::assemble::{DEMO, listed};
use crate::file::{At, ListedFile, Named, PriceFile, ProviderFile};
use crate::snapshot::{ListedModel, Provider, Resilience};
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
    let credentials = credentials::credentials(context, name, file, kind);
    let tls = tls::tls(context, file.tls.as_ref(), endpoint.as_ref());
    let models = file.models.iter().flatten();
    let models = models
        .filter_map(|model| listed_model(context, model))
        .collect();
    let mut own = (**base).clone();
    own.timeout = effort::timeouts(&file.timeout, &base.timeout);
    own.guards = guards::resolved(context.reader, &file.guards, &base.guards);
    let resilience = if own == **base {
        base.clone()
    } else {
        Arc::new(own)
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
        http: file
            .http_version
            .as_ref()
            .map(|at| at.value)
            .unwrap_or_default(),
        resilience,
        models,
        maintenance: super::maintenance::compile(context.reader, file),
        detected: false,
        line: line(&name.spot),
    })
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
    model.max_concurrency = details.max_concurrency.as_ref().map(|at| at.value);
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
