//! From a host name to addresses, with a cache that tells "does not exist" from "cannot say".
//!
//! Shared by all clients of the process. Literal addresses and `localhost` ask nobody; /etc/hosts comes before DNS.

mod hosts;
mod query;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diagnosis::Fault;
use parking_lot::Mutex;
use types::Clock;

/// How long a failure is remembered, so that a flood of calls asks once. Source: failures.md 6.3.
const NEGATIVE: Duration = Duration::from_secs(5);

/// How long an expired answer serves while the resolver fails. Source: failures.md 6.3.
const STALE: Duration = Duration::from_secs(60);

/// Shortest and longest time an answer is believed, whatever its TTL.
const TTL: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// Most names remembered; configured hosts are few, only callers of tunnels can name many.
const NAMES: usize = 2048;

/// Who is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NameSource {
    /// The servers of /etc/resolv.conf, asked directly; the C library where there are none and for names without a dot.
    #[default]
    System,
    /// These servers.
    Servers(Vec<SocketAddr>),
    /// The C library's `getaddrinfo`, on a thread of its own.
    GetAddrInfo,
}

/// How names are looked up.
#[derive(Clone, Debug)]
pub struct ResolverOptions {
    /// Who is asked. Default: the system's servers.
    pub source: NameSource,
    /// The file of fixed names. Default: /etc/hosts.
    pub hosts_file: PathBuf,
}

impl Default for ResolverOptions {
    fn default() -> Self {
        Self {
            source: NameSource::System,
            hosts_file: PathBuf::from("/etc/hosts"),
        }
    }
}

/// Why a name has no addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NameFault {
    NotFound,
    Failed(String),
    Timeout,
    /// This machine has nothing left to ask with; no resolver is to blame.
    Shortage {
        errno: i32,
    },
}

impl From<NameFault> for Fault {
    fn from(fault: NameFault) -> Self {
        match fault {
            NameFault::NotFound => Self::DnsNotFound,
            NameFault::Failed(detail) => Self::DnsFailed { detail },
            NameFault::Timeout => Self::DnsTimeout,
            NameFault::Shortage { errno } => Self::LocalResource { errno },
        }
    }
}

/// Addresses and how long to believe them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) ttl: Duration,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4: A records.
    V4,
    /// IPv6: AAAA records.
    V6,
}

/// Who knows a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// Nobody is asked: a literal address, or `localhost`.
    Itself,
    /// The file of fixed names.
    HostsFile(PathBuf),
    /// The C library.
    Library,
    /// Servers, all of which are asked.
    Servers(Vec<SocketAddr>),
}

/// Looks names up and remembers what it found.
pub struct Resolver {
    options: ResolverOptions,
    clock: Arc<dyn Clock>,
    names: Mutex<HashMap<Box<str>, Arc<Name>>>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("options", &self.options)
            .field("names", &self.names.lock().len())
            .finish_non_exhaustive()
    }
}

/// One name: what is known, and a gate that lets one caller ask while the others wait.
#[derive(Debug, Default)]
struct Name {
    known: Mutex<Known>,
    gate: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    addresses: Option<Arc<[IpAddr]>>,
    good_until: Option<Instant>,
    failure: Option<(NameFault, Instant)>,
    /// The address that connected last goes first: no call waits twice for a dead family.
    preferred: Option<IpAddr>,
}

impl Known {
    /// What can be said without asking.
    fn answer(&self, now: Instant) -> Option<Result<Arc<[IpAddr]>, NameFault>> {
        let addresses = self.addresses.as_ref();
        if let (Some(addresses), Some(until)) = (addresses, self.good_until)
            && now < until
        {
            return Some(Ok(Arc::clone(addresses)));
        }
        match &self.failure {
            Some((fault, until)) if now < *until => {
                Some(self.stale(now).map_or_else(|| Err(fault.clone()), Ok))
            }
            _ => None,
        }
    }

    fn stale(&self, now: Instant) -> Option<Arc<[IpAddr]>> {
        let until = self.good_until?.checked_add(STALE)?;
        self.addresses
            .as_ref()
            .filter(|_| now < until)
            .map(Arc::clone)
    }

    fn fail(&mut self, fault: NameFault, now: Instant) -> Result<Arc<[IpAddr]>, NameFault> {
        if let Some(until) = now.checked_add(NEGATIVE) {
            self.failure = Some((fault.clone(), until));
        }
        // A name that is gone is gone; only a resolver that cannot say is covered for.
        if fault == NameFault::NotFound {
            self.addresses = None;
        }
        self.stale(now).ok_or(fault)
    }

    fn learn(&mut self, found: &Found, now: Instant) -> Arc<[IpAddr]> {
        let addresses: Arc<[IpAddr]> = Arc::from(interleave(&found.addresses, self.preferred));
        let ttl = found.ttl.clamp(*TTL.start(), *TTL.end());
        self.addresses = Some(Arc::clone(&addresses));
        self.good_until = now.checked_add(ttl);
        self.failure = None;
        addresses
    }
}

impl Resolver {
    /// A resolver that has asked nothing yet.
    #[must_use]
    pub fn new(options: ResolverOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            options,
            clock,
            names: Mutex::default(),
        }
    }

    /// The addresses that need no asking: literals and `localhost`.
    pub(crate) fn literal(host: &str) -> Option<Vec<IpAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(vec![address]);
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        let last = name.rsplit('.').next().unwrap_or(name);
        // IPv4 first: a local server listens there more often. Source: RFC 6761, 6.3 for the name.
        last.eq_ignore_ascii_case("localhost").then(|| {
            vec![
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ]
        })
    }

    /// Who is asked for `host`.
    #[must_use]
    pub fn who_knows(&self, host: &str) -> KnownBy {
        if Self::literal(host).is_some() {
            return KnownBy::Itself;
        }
        let file = &self.options.hosts_file;
        if hosts::look_up(file, host).is_some() {
            return KnownBy::HostsFile(file.clone());
        }
        let servers = match &self.options.source {
            NameSource::System => query::system_servers(),
            NameSource::Servers(servers) => servers.clone(),
            NameSource::GetAddrInfo => Vec::new(),
        };
        if servers.is_empty() {
            return KnownBy::Library;
        }
        KnownBy::Servers(servers)
    }

    /// One family of addresses of `host` from one server, past all memory.
    pub(crate) async fn ask_one(
        server: SocketAddr,
        host: &str,
        family: Family,
    ) -> Result<Found, NameFault> {
        query::ask_one(server, host, family).await
    }

    /// The addresses of `host`, from memory where possible.
    ///
    /// # Cancel safety
    /// Dropping it loses the question; the next caller asks anew.
    pub(crate) async fn lookup(&self, host: &str) -> Result<Arc<[IpAddr]>, NameFault> {
        let name = self.name(host);
        if let Some(answer) = name.known.lock().answer(self.clock.now()) {
            return answer;
        }
        let _turn = name.gate.lock().await;
        if let Some(answer) = name.known.lock().answer(self.clock.now()) {
            return answer;
        }
        let found = self.ask(host).await;
        let now = self.clock.now();
        let mut known = name.known.lock();
        match found {
            Ok(found) => Ok(known.learn(&found, now)),
            Err(fault) => known.fail(fault, now),
        }
    }

    /// Takes note that a look-up ran out of time; an expired answer may still serve.
    pub(crate) fn timed_out(&self, host: &str) -> Option<Arc<[IpAddr]>> {
        let name = self.name(host);
        let mut known = name.known.lock();
        known.fail(NameFault::Timeout, self.clock.now()).ok()
    }

    /// Takes note of the address that connected.
    pub(crate) fn connected(&self, host: &str, address: IpAddr) {
        let name = self.names.lock().get(host).map(Arc::clone);
        let Some(name) = name else { return };
        let mut known = name.known.lock();
        if known.preferred == Some(address) {
            return;
        }
        known.preferred = Some(address);
        if let Some(addresses) = known.addresses.take() {
            let mut order = addresses.to_vec();
            prefer(&mut order, address);
            known.addresses = Some(Arc::from(order));
        }
    }

    fn name(&self, host: &str) -> Arc<Name> {
        let mut names = self.names.lock();
        if let Some(name) = names.get(host) {
            return Arc::clone(name);
        }
        if names.len() >= NAMES {
            let now = self.clock.now();
            names.retain(|_, name| name.known.lock().answer(now).is_some());
            if names.len() >= NAMES {
                names.clear();
            }
        }
        let name = Arc::new(Name::default());
        names.insert(Box::from(host), Arc::clone(&name));
        name
    }

    async fn ask(&self, host: &str) -> Result<Found, NameFault> {
        if let Some(addresses) = hosts::look_up(&self.options.hosts_file, host) {
            return Ok(Found {
                addresses,
                ttl: NEGATIVE,
            });
        }
        query::ask(&self.options.source, host).await
    }
}

/// Both families by turns, IPv6 first. Source: RFC 8305, section 4.
fn interleave(addresses: &[IpAddr], preferred: Option<IpAddr>) -> Vec<IpAddr> {
    let mut v6 = addresses.iter().filter(|address| address.is_ipv6());
    let mut v4 = addresses.iter().filter(|address| address.is_ipv4());
    let mut order = Vec::with_capacity(addresses.len());
    while order.len() < addresses.len() {
        order.extend(v6.next());
        order.extend(v4.next());
    }
    if let Some(preferred) = preferred {
        prefer(&mut order, preferred);
    }
    order
}

fn prefer(order: &mut [IpAddr], address: IpAddr) {
    if let Some(place) = order.iter().position(|known| *known == address)
        && let Some(front) = order.get_mut(..=place)
    {
        front.rotate_right(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_what_connected_last_goes_first() {
        let parse = |texts: &[&str]| -> Vec<IpAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let found = parse(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1"]);
        assert_eq!(
            interleave(&found, None),
            parse(&["fd00::1", "10.0.0.1", "10.0.0.2", "10.0.0.3"])
        );
        assert_eq!(
            interleave(&found, Some("10.0.0.2".parse().unwrap())),
            parse(&["10.0.0.2", "fd00::1", "10.0.0.1", "10.0.0.3"])
        );
    }

    #[test]
    fn literals_and_localhost_ask_nobody() {
        for host in ["127.0.0.1", "::1"] {
            assert_eq!(Resolver::literal(host).unwrap().len(), 1, "{host}");
        }
        for host in ["localhost", "LOCALHOST", "localhost.", "api.localhost"] {
            assert_eq!(Resolver::literal(host).unwrap().len(), 2, "{host}");
        }
        for host in ["example.com", "localhost.example", "mylocalhost", ""] {
            assert!(Resolver::literal(host).is_none(), "{host}");
        }
    }
}
