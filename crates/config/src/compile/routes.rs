//! Plain HTTP routes.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::{HeaderName, HeaderValue};

use super::providers::line;
use super::{Context, effort, guards};
use crate::file::{At, Named};
use crate::route_file::{AccessFile, HeaderEditsFile, HealthFile, RouteFile};
use crate::snapshot::{
    Access, HeaderEdits, HealthCheck, HostPattern, Network, PathPattern, PrefixRewrite, Resilience,
    Route, RouteStrategy, RouteUpstream,
};
use crate::text;

/// Paths that are the gateway's own.
const OWN_PATHS: &[&str] = &[
    "/api", "/ui", "/livez", "/readyz", "/health", "/healthz", "/metrics", "/-",
];

/// Paths of calls to models.
const MODEL_PATHS: &[&str] = &["/v1", "/v1beta", "/openai", "/anthropic", "/genai"];

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
    let mut routes: Vec<Arc<Route>> = Vec::new();
    for (name, file) in &written.0 {
        if !super::is_good_name(&name.value) {
            context
                .reader
                .error("bad_name", &name.spot, "this cannot be a route's name")
                .label("1 to 128 characters, no space");
        }
        let hosts: Vec<HostPattern> = values(file.matches.host.as_deref());
        let path = path(context, name, file, hosts.is_empty());
        let upstreams = upstreams(context, name, file);
        let mut own = (**base).clone();
        own.timeout = effort::timeouts(&file.timeout, &base.timeout);
        effort::retry(context.reader, &file.retry.retry, &mut own);
        own.guards = guards::resolved(context.reader, &file.guards, &base.guards);
        let prefix = prefix(context, file);
        let Some(path) = path else { continue };
        let keyed = file.retry.unsafe_with_idempotency_key.as_ref();
        let route = Arc::new(Route {
            name: Arc::from(name.value.as_str()),
            hosts,
            takes: values(file.matches.method.as_deref()),
            path,
            prefix,
            access: access(file),
            upstreams,
            strategy: file
                .strategy
                .as_ref()
                .map_or_else(RouteStrategy::default, |at| at.value),
            methods: match &file.retry.methods {
                Some(methods) => methods.iter().map(|method| method.value.clone()).collect(),
                None => USUAL_METHODS.to_vec(),
            },
            keyed_repeats: keyed.is_none_or(|keyed| keyed.value),
            resilience: Arc::new(own),
            auth_header: [&file.auth.header, &file.auth.bearer, &file.auth.basic]
                .into_iter()
                .find_map(|header| header.as_ref().map(|at| at.value.clone())),
            request_headers: edits(&file.request_headers),
            response_headers: edits(&file.response_headers),
            replay: replay(context, file),
            max_body: file
                .max_body
                .as_ref()
                .map_or(context.server.max_body, |at| at.value),
            line: line(&name.spot),
        });
        if let Some(first) = routes.iter().find(|first| takes_the_same(first, &route)) {
            context
                .reader
                .error(
                    "duplicate_name",
                    &name.spot,
                    format!("route `{}` takes these very requests already", first.name),
                )
                .label(format!("first on line {}", first.line.unwrap_or(0)));
        }
        routes.push(route);
    }
    routes
}

/// No answer is remembered for longer. Source: failures.md 6.12.
const LONGEST_REPLAY: Duration = Duration::from_secs(24 * 3600);

fn replay(context: &Context<'_, '_>, file: &RouteFile) -> Option<Duration> {
    let at = file.idempotency.replay.as_ref()?;
    if at.value < Duration::from_secs(1) || at.value > LONGEST_REPLAY {
        context
            .reader
            .error(
                "out_of_range",
                &at.spot,
                format!("{} is out of range", text::show(at.value)),
            )
            .label("replay is 1s to 24h");
    }
    Some(at.value)
}

/// Whether two routes are equally narrow and have requests in common: one of them would never be asked for these.
fn takes_the_same(one: &Route, other: &Route) -> bool {
    fn share<T: PartialEq>(one: &[T], other: &[T]) -> bool {
        (one.is_empty() && other.is_empty()) || one.iter().any(|item| other.contains(item))
    }
    one.path == other.path && share(&one.hosts, &other.hosts) && share(&one.takes, &other.takes)
}

fn values<T: Clone>(written: Option<&[At<T>]>) -> Vec<T> {
    written
        .unwrap_or_default()
        .iter()
        .map(|at| at.value.clone())
        .collect()
}

fn edits(file: &HeaderEditsFile) -> HeaderEdits {
    type Pairs = Vec<(At<HeaderName>, At<HeaderValue>)>;
    let pairs = |written: &Option<Pairs>| {
        let pairs = written.iter().flatten();
        pairs
            .map(|(name, value)| (name.value.clone(), value.value.clone()))
            .collect()
    };
    HeaderEdits {
        remove: values(file.remove.as_deref()),
        set: pairs(&file.set),
        add: pairs(&file.add),
    }
}

fn is_plain_path(path: &str) -> bool {
    let is_plain =
        |one: char| one.is_ascii_graphic() && !matches!(one, '*' | '?' | '#' | '%' | '\\');
    path.starts_with('/') && !path.contains("//") && path.chars().all(is_plain)
}

fn path(
    context: &Context<'_, '_>,
    name: &At<String>,
    file: &RouteFile,
    is_for_all_hosts: bool,
) -> Option<PathPattern> {
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
    let pattern = match path.value.strip_suffix("/**") {
        Some(prefix) => (prefix.is_empty() || is_plain_path(prefix))
            .then(|| PathPattern::Below(prefix.to_owned())),
        None => is_plain_path(&path.value).then(|| PathPattern::Exactly(path.value.clone())),
    };
    let Some(pattern) = pattern else {
        context
            .reader
            .error("bad_path", &path.spot, "this is no path of a route")
            .label("it starts with /; /weather/** is all below it, /hook is one path");
        return None;
    };
    let (PathPattern::Exactly(start) | PathPattern::Below(start)) = &pattern;
    let is_own = |own: &&&str| {
        start
            .strip_prefix(**own)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // On a host of its own a route may have what are the models' paths elsewhere.
    let models = MODEL_PATHS.iter().filter(|_| is_for_all_hosts);
    if let Some(own) = OWN_PATHS.iter().chain(models).find(is_own) {
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
    Some(pattern)
}

fn prefix(context: &Context<'_, '_>, file: &RouteFile) -> PrefixRewrite {
    let keeps = file.keep_prefix.as_ref().is_some_and(|keep| keep.value);
    let Some(instead) = &file.replace_prefix else {
        return if keeps {
            PrefixRewrite::Keep
        } else {
            PrefixRewrite::Strip
        };
    };
    if keeps {
        context
            .reader
            .error(
                "bad_value",
                &instead.spot,
                "a prefix cannot be kept and replaced",
            )
            .label("write one of keep_prefix and replace_prefix");
    }
    if !is_plain_path(&instead.value) || instead.value.ends_with('/') {
        context
            .reader
            .error("bad_path", &instead.spot, "this is no prefix")
            .label("it starts with / and does not end with one: /v2");
    }
    PrefixRewrite::Replace(instead.value.clone())
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
    let is_weighted = file
        .strategy
        .as_ref()
        .is_some_and(|strategy| strategy.value == RouteStrategy::Weighted);
    let mut made: Vec<Arc<RouteUpstream>> = Vec::new();
    for written in file.upstreams.iter().flatten() {
        let spot = &written.url.spot;
        let (url, endpoint) = &written.url.value;
        if context.is_ourselves(endpoint) {
            context
                .reader
                .error(
                    "own_address",
                    spot,
                    format!("`{url}` is the gateway's own address"),
                )
                .label("a call would go round in a circle");
        }
        if let Some(weight) = written.weight.as_ref().filter(|_| !is_weighted) {
            context
                .reader
                .warning("weight_unused", &weight.spot, "this weight does nothing")
                .label("weights count with  strategy: weighted");
        }
        if made.iter().any(|other| other.endpoint == *endpoint) {
            context.reader.warning(
                "duplicate_target",
                spot,
                format!("`{url}` stands here twice"),
            );
            continue;
        }
        made.push(Arc::new(RouteUpstream {
            label: Arc::from(url.as_str()),
            endpoint: endpoint.clone(),
            tls: super::tls::tls(context, written.tls.as_ref(), Some(endpoint)),
            http: written
                .http_version
                .as_ref()
                .map(|at| at.value)
                .unwrap_or_default(),
            weight: written.weight.as_ref().map_or(1, |weight| weight.value),
            health: written
                .health
                .as_ref()
                .and_then(|health| check(context, health)),
        }));
    }
    if is_weighted && !made.is_empty() && made.iter().all(|upstream| upstream.weight == 0) {
        context
            .reader
            .error("out_of_range", &name.spot, "every weight is 0")
            .label("give one upstream a weight of 1 or more");
    }
    made
}

/// Probes that come faster than this are a load of their own.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

fn check(context: &Context<'_, '_>, file: &HealthFile) -> Option<HealthCheck> {
    let Some(path) = &file.path else {
        context
            .reader
            .error("missing_key", &file.spot, "a health check has no path")
            .label("write  health: { path: /healthz }");
        return None;
    };
    let bounded = |at: &Option<At<Duration>>, usual: Duration, least: Duration, name: &str| {
        let Some(at) = at else { return usual };
        if at.value < least || at.value > Duration::from_secs(3600) {
            context
                .reader
                .error(
                    "out_of_range",
                    &at.spot,
                    format!("{} is out of range", text::show(at.value)),
                )
                .label(format!("{name} is {} to 1h", text::show(least)));
        }
        at.value
    };
    Some(HealthCheck {
        path: path.value.clone(),
        interval: bounded(
            &file.interval,
            Duration::from_secs(10),
            SHORTEST_INTERVAL,
            "interval",
        ),
        timeout: bounded(
            &file.timeout,
            Duration::from_secs(2),
            Duration::from_millis(10),
            "timeout",
        ),
        unhealthy_after: file.unhealthy_after.as_ref().map_or(3, |at| at.value),
        healthy_after: file.healthy_after.as_ref().map_or(1, |at| at.value),
    })
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
