//! Plain HTTP routes.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use super::providers::line;
use super::{Context, effort};
use crate::file::{AccessFile, At, Named, RouteFile};
use crate::snapshot::{Access, Network, Resilience, Route, RouteUpstream, TlsSettings};

/// Paths that are the gateway's own.
const OWN_PATHS: &[&str] = &[
    "/v1",
    "/v1beta",
    "/api",
    "/ui",
    "/openai",
    "/anthropic",
    "/genai",
    "/livez",
    "/readyz",
    "/health",
    "/healthz",
    "/metrics",
    "/-",
];

/// Methods that may be sent again where nothing else is written: those that HTTP calls idempotent.
const USUAL_METHODS: &[Method] = &[
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PUT,
    Method::DELETE,
];

pub(super) fn compile(
    context: &Context<'_, '_>,
    written: &Named<RouteFile>,
    base: &Arc<Resilience>,
) -> Vec<Arc<Route>> {
    let mut prefixes: HashMap<String, usize> = HashMap::new();
    let mut routes = Vec::new();
    for (name, file) in &written.0 {
        if !super::is_good_name(&name.value) {
            context
                .reader
                .error("bad_name", &name.spot, "this cannot be a route's name")
                .label("1 to 128 characters, no space");
        }
        let prefix = prefix(context, name, file);
        if let Some(prefix) = &prefix {
            let line = line(&name.spot).unwrap_or(0);
            if let Some(first) = prefixes.insert(prefix.clone(), line) {
                context
                    .reader
                    .error(
                        "duplicate_name",
                        &name.spot,
                        format!("a second route has {prefix}/**"),
                    )
                    .label(format!("first on line {first}"));
            }
        }
        let upstreams = upstreams(context, name, file);
        let mut own = (**base).clone();
        own.timeout = effort::timeouts(&file.timeout, &base.timeout);
        effort::retry(context.reader, &file.retry.retry, &mut own);
        let Some(prefix) = prefix else { continue };
        routes.push(Arc::new(Route {
            name: Arc::from(name.value.as_str()),
            prefix,
            keep_prefix: file.keep_prefix.as_ref().is_some_and(|keep| keep.value),
            access: access(file),
            upstreams,
            methods: match &file.retry.methods {
                Some(methods) => methods.iter().map(|method| method.value.clone()).collect(),
                None => USUAL_METHODS.to_vec(),
            },
            resilience: Arc::new(own),
            auth_header: file.auth.header.as_ref().map(|header| header.value.clone()),
            line: line(&name.spot),
        }));
    }
    routes
}

fn prefix(context: &Context<'_, '_>, name: &At<String>, file: &RouteFile) -> Option<String> {
    let Some(path) = &file.matches.path else {
        context
            .reader
            .error(
                "missing_key",
                &name.spot,
                format!("route `{}` matches nothing", name.value),
            )
            .label("write  match: { path: /prefix/** }");
        return None;
    };
    let prefix = path.value.strip_suffix("/**").filter(|prefix| {
        let is_plain =
            |one: char| one.is_ascii_graphic() && !matches!(one, '*' | '?' | '#' | '%' | '\\');
        prefix.is_empty()
            || (prefix.starts_with('/') && !prefix.contains("//") && prefix.chars().all(is_plain))
    });
    let Some(prefix) = prefix else {
        context
            .reader
            .error("bad_path", &path.spot, "this is no path prefix")
            .label("it starts with / and ends with /**, like /weather/**");
        return None;
    };
    let is_own = |own: &str| {
        prefix
            .strip_prefix(own)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if let Some(own) = OWN_PATHS.iter().find(|own| is_own(own)) {
        context
            .reader
            .error(
                "bad_path",
                &path.spot,
                format!("{own} is the gateway's own"),
            )
            .label("this route would never be asked");
        return None;
    }
    Some(prefix.to_owned())
}

fn upstreams(
    context: &Context<'_, '_>,
    name: &At<String>,
    file: &RouteFile,
) -> Vec<Arc<RouteUpstream>> {
    if !file.has_upstreams {
        context
            .reader
            .error(
                "missing_key",
                &name.spot,
                format!("route `{}` leads nowhere", name.value),
            )
            .label("write  upstreams: [https://api.example]");
    }
    let mut made: Vec<Arc<RouteUpstream>> = Vec::new();
    for at in file.upstreams.iter().flatten() {
        let (url, endpoint) = &at.value;
        if context.is_ourselves(endpoint) {
            context
                .reader
                .error(
                    "own_address",
                    &at.spot,
                    format!("`{url}` is the gateway's own address"),
                )
                .label("a call would go round in a circle");
        }
        if made.iter().any(|other| other.endpoint == *endpoint) {
            context.reader.warning(
                "duplicate_target",
                &at.spot,
                format!("`{url}` stands here twice"),
            );
            continue;
        }
        made.push(Arc::new(RouteUpstream {
            label: Arc::from(url.as_str()),
            endpoint: endpoint.clone(),
            tls: TlsSettings::default(),
        }));
    }
    made
}

fn access(file: &RouteFile) -> Access {
    match file.access.as_ref().map(|access| &access.value) {
        None | Some(AccessFile::Key) => Access::Key,
        Some(AccessFile::Open(Some(networks))) => Access::Open {
            addresses: networks.iter().map(|network| network.value).collect(),
        },
        Some(AccessFile::Open(None)) => Access::Open {
            addresses: ["127.0.0.0/8", "::1"]
                .iter()
                .filter_map(|text| Network::parse(text))
                .collect(),
        },
    }
}
