//! One question over the wire: A and AAAA at once, and what the answers mean together.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::{Duration, Instant};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use nix::errno::Errno;

use super::{Family, Found, NameFault, NameSource};

/// How long the faster family waits for the slower. Source: RFC 8305, section 3, "Resolution Delay".
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// One try at one server: two of them fit the default limit of 2 s, so that one lost packet is survived.
const TRY: Duration = Duration::from_millis(900);

/// How long an answer of the C library is believed: it tells no TTL.
const LIBRARY_TTL: Duration = Duration::from_secs(30);

pub(super) async fn ask(source: &NameSource, host: &str) -> Result<Found, NameFault> {
    let resolver = match source {
        NameSource::GetAddrInfo => return library(host).await,
        NameSource::Servers(servers) => Some(build(Resolver::builder_with_config(
            explicit(servers),
            TokioRuntimeProvider::default(),
        ))?),
        // Built anew for each question that memory cannot answer: resolv.conf changes on laptops and in containers,
        // and nothing of it is tied to the runtime of another worker.
        NameSource::System => match TokioResolver::builder_tokio() {
            Ok(builder) => Some(build(builder)?),
            Err(error) if matches!(fault(&error), NameFault::Shortage { .. }) => {
                return Err(fault(&error));
            }
            Err(error) => {
                tracing::debug!(%error, "no name servers in the system's configuration");
                None
            }
        },
    };
    let Some(resolver) = resolver else {
        return library(host).await;
    };
    let mut asked = both(&resolver, host).await;
    if matches!(asked, Err(NameFault::Failed(_))) {
        let servers = match source {
            NameSource::Servers(servers) => servers.clone(),
            NameSource::System | NameSource::GetAddrInfo => system_servers(),
        };
        if servers.len() > 1 {
            asked = one_by_one(&servers, host).await;
        }
    }
    // Names without a dot and those of mDNS may be known to the C library alone.
    let local = !host.contains('.') || host.ends_with(".local");
    if asked == Err(NameFault::NotFound) && local && *source == NameSource::System {
        return library(host).await;
    }
    asked
}

/// The servers of the system's configuration; none where it names none or cannot be read.
pub(super) fn system_servers() -> Vec<SocketAddr> {
    let Ok((config, _)) = hickory_resolver::system_conf::read_system_conf() else {
        return Vec::new();
    };
    let port = |server: &NameServerConfig| {
        server
            .connections
            .first()
            .map_or(53, |connection| connection.port)
    };
    let mut servers = Vec::new();
    for server in config.name_servers() {
        let address = SocketAddr::new(server.ip, port(server));
        if !servers.contains(&address) {
            servers.push(address);
        }
    }
    servers
}

/// One family from one server.
pub(super) async fn ask_one(
    server: SocketAddr,
    host: &str,
    family: Family,
) -> Result<Found, NameFault> {
    let resolver = build(Resolver::builder_with_config(
        explicit(&[server]),
        TokioRuntimeProvider::default(),
    ))?;
    let record = match family {
        Family::V4 => RecordType::A,
        Family::V6 => RecordType::AAAA,
    };
    read(resolver.lookup(host, record).await)
}

/// Each server by itself, until one knows: the library ends with the first answer it gets, even where that is
/// "cannot say" and another server could; the C library goes on, too.
async fn one_by_one(servers: &[SocketAddr], host: &str) -> Result<Found, NameFault> {
    let mut asked = Err(NameFault::Timeout);
    for server in servers {
        let resolver = build(Resolver::builder_with_config(
            explicit(&[*server]),
            TokioRuntimeProvider::default(),
        ))?;
        asked = both(&resolver, host).await;
        if matches!(asked, Ok(_) | Err(NameFault::NotFound)) {
            break;
        }
    }
    asked
}

fn explicit(servers: &[SocketAddr]) -> ResolverConfig {
    let servers = servers.iter().map(|server| {
        let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        for connection in &mut connections {
            connection.port = server.port();
        }
        NameServerConfig::new(server.ip(), true, connections.to_vec())
    });
    ResolverConfig::from_parts(None, Vec::new(), servers.collect())
}

fn build(
    mut builder: hickory_resolver::ResolverBuilder<TokioRuntimeProvider>,
) -> Result<TokioResolver, NameFault> {
    let options = builder.options_mut();
    options.timeout = TRY;
    options.attempts = 1;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    builder
        .build()
        .map_err(|error| NameFault::Failed(error.to_string()))
}

async fn both(resolver: &TokioResolver, host: &str) -> Result<Found, NameFault> {
    let mut v4 = pin!(resolver.lookup(host, RecordType::A));
    let mut v6 = pin!(resolver.lookup(host, RecordType::AAAA));
    let (first, second) = tokio::select! {
        first = &mut v4 => {
            let first = read(first);
            let second = other(&first, v6).await;
            (first, second)
        }
        first = &mut v6 => {
            let first = read(first);
            let second = other(&first, v4).await;
            (first, second)
        }
    };
    combine(first, second)
}

/// Waits for the other family: a moment when the first has addresses, to the end when it has none.
async fn other(
    first: &Result<Found, NameFault>,
    second: impl Future<Output = Result<Lookup, NetError>>,
) -> Option<Result<Found, NameFault>> {
    match first {
        Ok(_) => tokio::time::timeout(RESOLUTION_DELAY, second)
            .await
            .ok()
            .map(read),
        Err(_) => Some(read(second.await)),
    }
}

fn combine(
    first: Result<Found, NameFault>,
    second: Option<Result<Found, NameFault>>,
) -> Result<Found, NameFault> {
    match (first, second) {
        (Ok(mut found), Some(Ok(more))) => {
            found.addresses.extend(more.addresses);
            found.ttl = found.ttl.min(more.ttl);
            Ok(found)
        }
        (Ok(found), _) | (Err(_), Some(Ok(found))) => Ok(found),
        (Err(one), Some(Err(two))) => Err(graver(one, two)),
        (Err(one), None) => Err(one),
    }
}

/// "Cannot say" outweighs "no such records": a name with only the silent family exists.
fn graver(one: NameFault, two: NameFault) -> NameFault {
    match (&one, &two) {
        (NameFault::Shortage { .. }, _) => one,
        (_, NameFault::Shortage { .. }) => two,
        (NameFault::Failed(_), _) => one,
        (_, NameFault::Failed(_)) => two,
        (NameFault::Timeout, _) => one,
        _ => two,
    }
}

fn read(answer: Result<Lookup, NetError>) -> Result<Found, NameFault> {
    let lookup = answer.map_err(|error| fault(&error))?;
    let addresses: Vec<IpAddr> = lookup
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        })
        .collect();
    if addresses.is_empty() {
        return Err(NameFault::NotFound);
    }
    let ttl = lookup.valid_until().saturating_duration_since(now());
    Ok(Found { addresses, ttl })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the library measures its times against this clock"
)]
fn now() -> Instant {
    Instant::now()
}

fn fault(error: &NetError) -> NameFault {
    match error {
        NetError::Timeout => NameFault::Timeout,
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain | ResponseCode::NoError => NameFault::NotFound,
            code => NameFault::Failed(code.to_string()),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => NameFault::Failed(code.to_string()),
        // The name cannot even be asked for: a label too long, a character that no name has.
        NetError::Proto(_) => NameFault::NotFound,
        NetError::Io(io) => match io.raw_os_error() {
            Some(errno) if is_shortage(errno) => NameFault::Shortage { errno },
            _ => NameFault::Failed(error.to_string()),
        },
        other => NameFault::Failed(other.to_string()),
    }
}

/// Whether descriptors or memory of this machine have run out.
fn is_shortage(errno: i32) -> bool {
    matches!(
        Errno::from_raw(errno),
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS
    )
}

async fn library(host: &str) -> Result<Found, NameFault> {
    match tokio::net::lookup_host((host, 0)).await {
        Ok(found) => {
            let mut addresses = Vec::new();
            for address in found.map(|found| found.ip()) {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            if addresses.is_empty() {
                return Err(NameFault::NotFound);
            }
            Ok(Found {
                addresses,
                ttl: LIBRARY_TTL,
            })
        }
        Err(error) => {
            // The library's numbers do not reach us, its words do (EAI_NONAME, EAI_NODATA).
            let words = error.to_string();
            if words.contains("not known") || words.contains("No address associated") {
                return Err(NameFault::NotFound);
            }
            Err(NameFault::Failed(words))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diagnosis::Fault;

    #[test]
    fn without_descriptors_no_resolver_is_blamed() {
        let error = |errno| NetError::from(std::io::Error::from_raw_os_error(errno));
        let told = |errno| Fault::from(fault(&error(errno)));
        assert_eq!(told(24), Fault::LocalResource { errno: 24 });
        assert!(matches!(told(101), Fault::DnsFailed { .. }), "no route");
        let shortage = NameFault::Shortage { errno: 24 };
        for other in [NameFault::NotFound, NameFault::Timeout] {
            assert_eq!(graver(other.clone(), shortage.clone()), shortage);
            assert_eq!(graver(shortage.clone(), other), shortage);
        }
    }
}
