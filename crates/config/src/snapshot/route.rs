//! Plain HTTP routes, and who may use them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::{HeaderName, HeaderValue};
use provider::Endpoint;

use super::{HttpVersion, Resilience, TlsSettings};

/// A plain HTTP route.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// The hosts it takes requests for; empty for all.
    pub hosts: Vec<HostPattern>,
    /// The methods it takes; empty for all.
    pub takes: Vec<Method>,
    /// Which paths it takes.
    pub path: PathPattern,
    /// What becomes of the prefix on the way upstream.
    pub prefix: PrefixRewrite,
    /// Who may use it.
    pub access: Access,
    /// Upstreams in the order in which they were written.
    pub upstreams: Vec<Arc<RouteUpstream>>,
    /// In which order they are tried.
    pub strategy: RouteStrategy,
    /// Methods that may be sent again.
    pub methods: Vec<Method>,
    /// Whether a call with an idempotency key may be sent again whatever its method.
    pub keyed_repeats: bool,
    /// How hard is tried.
    pub resilience: Arc<Resilience>,
    /// A header with a secret that every call upstream carries.
    pub auth_header: Option<(HeaderName, HeaderValue)>,
    /// How requests' headers change.
    pub request_headers: HeaderEdits,
    /// How answers' headers change.
    pub response_headers: HeaderEdits,
    /// How long answers are given again to calls with the same idempotency key; none for not at all.
    pub replay: Option<Duration>,
    /// The largest body in bytes.
    pub max_body: u64,
    /// The line of the file that declares it.
    pub line: Option<usize>,
}

/// Which paths a route takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// This one.
    Exactly(String),
    /// All below this, which has no slash at its end and is empty for every path.
    Below(String),
}

/// What becomes of a route's prefix on the way upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrefixRewrite {
    /// It goes.
    Strip,
    /// It stays.
    Keep,
    /// This takes its place; no slash at its end.
    Replace(String),
}

/// In which order a route's upstreams are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteStrategy {
    /// As written.
    #[default]
    Ordered,
    /// By chance, in proportion to their weights.
    Weighted,
}

/// A host, or every name below one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This name, in lower case.
    Is(String),
    /// Every name that ends with this, which begins with a dot.
    Below(String),
}

/// How headers change: first those of `remove` go, then `set` takes others' places, then `add` comes beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Headers that go.
    pub remove: Vec<HeaderName>,
    /// Headers that take others' places.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Headers that come beside others.
    pub add: Vec<(HeaderName, HeaderValue)>,
}

/// The route for a request, or why there is none.
#[derive(Debug)]
pub enum Matched<'r> {
    /// This one.
    Route(&'r Arc<Route>),
    /// The path is there, for these methods.
    OtherMethods(Vec<Method>),
    /// None.
    Nothing,
}

impl Route {
    /// Whether a path is one of the route's.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        match &self.path {
            PathPattern::Exactly(only) => path == only,
            PathPattern::Below(prefix) => path
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }

    /// Whether a host is one of the route's; the name as `Host` has it, without a port.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.fits(host))
    }

    /// Whether the route takes a method.
    #[must_use]
    pub fn takes(&self, method: &Method) -> bool {
        self.takes.is_empty()
            || self.takes.contains(method)
            || (method == Method::HEAD && self.takes.contains(&Method::GET))
    }

    /// Whether a call may be sent again although an upstream may have acted on it.
    #[must_use]
    pub fn may_repeat(&self, method: &Method, has_key: bool) -> bool {
        self.methods.contains(method) || (has_key && self.keyed_repeats)
    }

    /// The path (and query) at an upstream for a request's path (and query), which the route covers.
    #[must_use]
    pub fn upstream_path(&self, upstream: &RouteUpstream, path_and_query: &str) -> String {
        let prefix = match &self.path {
            PathPattern::Exactly(path) | PathPattern::Below(path) => path.as_str(),
        };
        let (instead, rest) = match &self.prefix {
            PrefixRewrite::Keep => ("", path_and_query),
            PrefixRewrite::Strip => ("", path_and_query.strip_prefix(prefix).unwrap_or_default()),
            PrefixRewrite::Replace(instead) => (
                instead.as_str(),
                path_and_query.strip_prefix(prefix).unwrap_or_default(),
            ),
        };
        let base = &upstream.endpoint.base_path;
        let slash = match rest.chars().next() {
            Some('/') => "",
            _ if base.is_empty() && instead.is_empty() => "/",
            _ => "",
        };
        format!("{base}{instead}{slash}{rest}")
    }

    /// Routes are looked through in this order: the narrower one first.
    pub(crate) fn rank(&self) -> impl Ord + use<> {
        let host = match self.hosts.as_slice() {
            [] => 2,
            hosts
                if hosts
                    .iter()
                    .any(|host| matches!(host, HostPattern::Below(_))) =>
            {
                1
            }
            _ => 0,
        };
        let (length, is_prefix) = match &self.path {
            PathPattern::Exactly(path) => (path.len(), false),
            PathPattern::Below(prefix) => (prefix.len(), true),
        };
        (
            host,
            is_prefix,
            std::cmp::Reverse(length),
            self.takes.is_empty(),
        )
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(path) => f.write_str(path),
            Self::Below(prefix) => write!(f, "{prefix}/**"),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(name) => f.write_str(name),
            Self::Below(ending) => write!(f, "*{ending}"),
        }
    }
}

impl HostPattern {
    /// Reads `api.example` or `*.example`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (name, is_below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text.as_str(), false),
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
        let is_good = !name.is_empty() && name.len() <= 253 && name.chars().all(is_name);
        // A colon is part of an IPv6 address only: a port is nobody's name.
        if !is_good || (name.contains(':') && name.parse::<std::net::Ipv6Addr>().is_err()) {
            return None;
        }
        Some(if is_below {
            Self::Below(format!(".{name}"))
        } else {
            Self::Is(name.to_owned())
        })
    }

    fn fits(&self, host: &str) -> bool {
        match self {
            Self::Is(name) => host.eq_ignore_ascii_case(name),
            Self::Below(ending) => {
                let start = host.len().checked_sub(ending.len());
                start.is_some_and(|start| {
                    start > 0
                        && host
                            .get(start..)
                            .is_some_and(|end| end.eq_ignore_ascii_case(ending))
                })
            }
        }
    }
}

impl HeaderEdits {
    /// Changes headers.
    pub fn apply(&self, headers: &mut http::HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name.clone(), value.clone());
        }
    }
}

/// Who may use a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Callers with a key.
    Key,
    /// Anyone from these networks: loopback by default.
    Open {
        /// The networks.
        addresses: Vec<Network>,
    },
}

/// One upstream of a route.
#[derive(Debug, PartialEq, Eq)]
pub struct RouteUpstream {
    /// Its URL as written, without a trailing slash: the target's name in everything people see.
    pub label: Arc<str>,
    /// The same taken apart.
    pub endpoint: Endpoint,
    /// How its certificate is checked.
    pub tls: TlsSettings,
    /// Which HTTP is spoken to it.
    pub http: HttpVersion,
    /// Its share of the calls beside the others' weights, where they are spread by weight.
    pub weight: u32,
    /// How it is asked whether it is well.
    pub health: Option<HealthCheck>,
}

/// How an upstream is asked whether it is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The path to ask for.
    pub path: String,
    /// How often.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// So many failures in a row make it unwell.
    pub unhealthy_after: u32,
    /// So many good answers in a row make it well again.
    pub healthy_after: u32,
}

/// A network in CIDR notation, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `::1/128` or a single address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) => digits.parse().ok().filter(|bits| *bits <= longest)?,
            None => longest,
        };
        Some(Self { address, prefix })
    }

    /// Whether an address lies in it; an IPv4 address in IPv6 form counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = |width: u32| width.saturating_sub(u32::from(self.prefix));
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let difference = own.to_bits() ^ other.to_bits();
                difference.checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let difference = own.to_bits() ^ other.to_bits();
                difference.checked_shr(shift(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}
