//! From what was written to what runs: everything that depends on more than one setting is checked here.

mod callers;
mod credentials;
mod effort;
mod guards;
mod maintenance;
mod models;
mod providers;
mod routes;
mod telemetry;
mod tls;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use provider::Endpoint;

use crate::assemble::{DEMO, FIRST, LOCAL, Parts};
use crate::discover::{is_same_host, local_provider};
use crate::file::{At, File, RetainFile, ServerFile};
use crate::reader::Reader;
use crate::snapshot::{Admin, Origin, Server, Storage};

/// Everything that the parts of the compiler share.
#[derive(Debug)]
pub(crate) struct Context<'c, 'a> {
    pub(crate) reader: &'c Reader<'a>,
    pub(crate) server: &'c Server,
    /// Whether files that settings name must be there.
    pub(crate) folder: Option<&'c Path>,
}

impl Context<'_, '_> {
    /// Whether an address is the gateway's own.
    pub(crate) fn is_ourselves(&self, endpoint: &Endpoint) -> bool {
        endpoint.port == self.server.listen.port()
            && (is_same_host(&endpoint.host, "127.0.0.1")
                || endpoint.host == self.server.listen.ip().to_string()
                || self.server.hosts.contains(&endpoint.host))
    }
}

/// Makes the parts of a snapshot. What is wrong goes to the reader; with an error there the parts are not to be used.
pub(crate) fn parts(
    reader: &Reader<'_>,
    file: &File,
    origin: Origin,
    demo_url: Option<&str>,
) -> Parts {
    let mut parts = Parts::new(origin);
    parts.server = server(reader, &file.server);
    parts.admin = Admin {
        listen: admin(reader, file, &parts.server),
    };
    let folder = match &parts.origin {
        Origin::File(path) => path.parent().map(Path::to_owned),
        Origin::Environment => None,
    };
    let context = Context {
        reader,
        server: &parts.server,
        folder: folder.as_deref(),
    };
    let mut base = effort::resolved(reader, &file.resilience.effort, &parts.resilience);
    base.guards = guards::resolved(reader, &file.resilience.guards, &base.guards);
    parts.resilience = Arc::new(base);
    let demo = wants_demo(reader, file, &parts.server);
    let known = providers::compile(&context, &file.providers, &parts.resilience, demo);
    let aliases = models::compile(&context, &file.models, &known, &parts.resilience, demo);
    parts.routes = routes::compile(&context, &file.routes, &parts.resilience);
    parts.keys = callers::compile(reader, &file.keys, &known, &aliases, demo);
    parts.models = aliases;
    parts.providers = known.providers;
    parts.errors = file.errors.detail.as_ref().map(|detail| detail.value);
    parts.storage = Storage {
        path: file.storage.url.as_ref().map(|url| url.value.clone()),
        retain: retain(reader, &file.storage.retain).unwrap_or(parts.storage.retain),
    };
    parts.telemetry = telemetry::compile(reader, &file.telemetry);
    if let Some(format) = &file.telemetry.log.format {
        parts.log_format = format.value;
    }
    if demo {
        // The demo's first call ends at the real model beside the gateway, where there is one.
        let has_local = parts.providers.iter().any(|one| one.id.as_str() == LOCAL);
        if let Some(Ok(local)) = local_provider(reader.environment(), &parts.resilience)
            && !has_local
        {
            parts.providers.push(Arc::new(local));
        }
        parts.add_demo(demo_url);
        models::point_at_demo(&mut parts, &file.models);
    }
    parts
}

fn server(reader: &Reader<'_>, file: &ServerFile) -> Server {
    let mut server = Server::default();
    if let Some(listen) = &file.listen {
        server.listen = listen.value;
    }
    server.workers = file.workers.as_ref().map(|workers| workers.value);
    if let Some(bytes) = within(
        reader,
        file.max_body.as_ref(),
        1_000,
        2_000_000_000,
        "1KB to 2GB",
    ) {
        server.max_body = bytes;
    }
    let day = Duration::from_secs(86_400);
    if let Some(drain) = within(
        reader,
        file.drain.as_ref(),
        Duration::ZERO,
        day,
        "0s to 24h",
    ) {
        server.drain = drain;
    }
    let streams = file.drain_streams.as_ref();
    if let Some(drain) = within(reader, streams, Duration::ZERO, day, "0s to 24h") {
        server.drain_streams = drain;
    }
    let delay = file.drain_delay.as_ref();
    server.drain_delay = within(reader, delay, Duration::ZERO, day, "0s to 24h");
    for host in file.hosts.iter().flatten() {
        let name = host.value.trim().to_ascii_lowercase();
        if name.is_empty() || name.contains(|one: char| one.is_whitespace() || one == '/') {
            reader
                .error("bad_value", &host.spot, "this is no host's name")
                .label("write a name alone: gate.example");
        } else {
            server.hosts.push(name);
        }
    }
    let proxies = file.trusted_proxies.iter().flatten();
    server.trusted_proxies = proxies.map(|network| network.value).collect();
    server.public_url = file.public_url.as_ref().map(|url| url.value.clone());
    server
}

fn admin(reader: &Reader<'_>, file: &File, server: &Server) -> Option<SocketAddr> {
    match &file.admin.listen {
        Some(listen) if listen.value == server.listen && !server.is_loopback() => {
            reader
                .error(
                    "address_in_use_twice",
                    &listen.spot,
                    format!("{} is the server's own address", listen.value),
                )
                .label("off loopback the admin API needs another one")
                .help("write  listen: 127.0.0.1:4001");
            None
        }
        Some(listen) if listen.value == server.listen => None,
        Some(listen) => Some(listen.value),
        // Off loopback the admin API is never on the port that the world reaches.
        None if !server.is_loopback() => Some(SocketAddr::from(([127, 0, 0, 1], 4001))),
        None => None,
    }
}

/// A value between two bounds; anything else is reported.
fn within<T: PartialOrd + Copy>(
    reader: &Reader<'_>,
    at: Option<&At<T>>,
    least: T,
    most: T,
    bounds: &str,
) -> Option<T> {
    let at = at?;
    if at.value < least || at.value > most {
        reader
            .error("out_of_range", &at.spot, "this is out of range")
            .label(bounds);
        return None;
    }
    Some(at.value)
}

fn retain(reader: &Reader<'_>, file: &RetainFile) -> Option<Duration> {
    let hour = Duration::from_secs(3_600);
    let ten_years = Duration::from_secs(3_650 * 86_400);
    within(
        reader,
        file.metadata.as_ref(),
        hour,
        ten_years,
        "1h to 3650d",
    )
}

fn wants_demo(reader: &Reader<'_>, file: &File, server: &Server) -> bool {
    let Some(demo) = &file.demo else {
        return false;
    };
    if demo.value && !server.is_loopback() {
        reader
            .warning("demo_off_loopback", &demo.spot, "the demo models stay off")
            .label(format!("{} is not this machine alone", server.listen));
    }
    demo.value && server.is_loopback()
}

/// Whether a name can be a provider's, an alias' or a key's.
fn is_good_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && !name
            .chars()
            .any(|one| one.is_whitespace() || one.is_control())
}

/// A name that is taken by the demo models while they are on.
fn is_demo_name(name: &str, demo: bool) -> bool {
    demo && (name == DEMO || name == FIRST)
}

/// The table of what was found so far, for near names.
type Aliases = HashMap<String, Arc<crate::snapshot::ModelPolicy>>;
