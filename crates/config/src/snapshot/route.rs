//! Plain HTTP routes, and who may use them.

use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use http::header::{HeaderName, HeaderValue};
use provider::Endpoint;

use super::{Resilience, TlsSettings};

/// A plain HTTP route.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// What a path begins with, without the slash at its end; empty for every path.
    pub prefix: String,
    /// Whether the prefix goes upstream, too.
    pub keep_prefix: bool,
    /// Who may use it.
    pub access: Access,
    /// Upstreams in the order in which they are tried.
    pub upstreams: Vec<Arc<RouteUpstream>>,
    /// Methods that may be sent again.
    pub methods: Vec<Method>,
    /// How hard is tried.
    pub resilience: Arc<Resilience>,
    /// A header with a secret that every call upstream carries.
    pub auth_header: Option<(HeaderName, HeaderValue)>,
    /// The line of the file that declares it.
    pub line: Option<usize>,
}

impl Route {
    /// Whether a path lies under the route's prefix.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        path.strip_prefix(self.prefix.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether a method may be sent again.
    #[must_use]
    pub fn may_repeat(&self, method: &Method) -> bool {
        self.methods.contains(method)
    }

    /// The path (and query) at an upstream for a request's path (and query), which lies under the prefix.
    #[must_use]
    pub fn upstream_path(&self, upstream: &RouteUpstream, path_and_query: &str) -> String {
        let rest = if self.keep_prefix {
            path_and_query
        } else {
            path_and_query
                .strip_prefix(self.prefix.as_str())
                .unwrap_or(path_and_query)
        };
        let base = &upstream.endpoint.base_path;
        match rest.chars().next() {
            Some('/') => format!("{base}{rest}"),
            _ if base.is_empty() => format!("/{rest}"),
            _ => format!("{base}{rest}"),
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
