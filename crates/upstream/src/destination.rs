//! Where an attempt goes: scheme, host, port and how its TLS is checked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::address::Reach;
use crate::identity::Identity;
use crate::tls::TlsPolicy;

/// Whether the bytes are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS over TCP.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.1, the default.
    #[default]
    One,
    /// HTTP/2 alone; without TLS it is begun at once, with prior knowledge.
    Two,
    /// HTTP/2 where a TLS server chooses it, else HTTP/1.1.
    Auto,
}

/// A place to connect to; built once per target when a snapshot is loaded, then shared.
///
/// Two destinations with the same scheme, host, port and TLS settings share their pooled connections,
/// so a reload that changes none of these closes nothing.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Whether to speak TLS.
    pub scheme: Scheme,
    /// Host name or literal address, IPv6 without brackets.
    pub host: Arc<str>,
    /// TCP port, 1 to 65535.
    pub port: u16,
    /// How the server's certificate is checked; `None` exactly for `http`.
    pub tls: Option<Arc<TlsPolicy>>,
    /// How long an idle connection may be used again. Default 60 s (a provider's record may say less).
    pub idle_limit: Duration,
    /// Which resolved addresses may be connected to. Default: all but link-local and metadata services.
    pub reach: Reach,
    /// Which HTTP is spoken. Default: HTTP/1.1.
    pub http: HttpVersion,
    pub(crate) identity: Identity,
}

/// The idle limit where nobody says otherwise: LLM calls may be sent again, so a stale connection costs little.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

impl Destination {
    /// A destination without TLS.
    #[must_use]
    pub fn plain(host: &str, port: u16) -> Self {
        Self::new(Scheme::Http, host, port, None)
    }

    /// A destination with TLS, checked as the policy says.
    #[must_use]
    pub fn tls(host: &str, port: u16, policy: Arc<TlsPolicy>) -> Self {
        Self::new(Scheme::Https, host, port, Some(policy))
    }

    /// The same with another limit on idle connections.
    #[must_use]
    pub fn with_idle_limit(mut self, limit: Duration) -> Self {
        self.idle_limit = limit;
        self
    }

    /// The same with another version of HTTP.
    #[must_use]
    pub fn with_http(mut self, http: HttpVersion) -> Self {
        self.http = match self.scheme {
            // Without TLS nobody is asked which it should be.
            Scheme::Http if http == HttpVersion::Auto => HttpVersion::One,
            _ => http,
        };
        self.tls = self.tls.map(|policy| Arc::new(policy.with_http(self.http)));
        self.identify();
        self
    }

    /// The same with other rules on addresses.
    #[must_use]
    pub fn with_reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self.identify();
        self
    }

    fn identify(&mut self) {
        self.identity = identity(self);
    }

    fn new(scheme: Scheme, host: &str, port: u16, tls: Option<Arc<TlsPolicy>>) -> Self {
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        let mut destination = Self {
            scheme,
            host: Arc::from(bare),
            port,
            identity: Identity::new(""),
            tls,
            idle_limit: IDLE_LIMIT,
            reach: Reach::Private,
            http: HttpVersion::One,
        };
        destination.identify();
        destination
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "{}://[{}]:{}", self.scheme, self.host, self.port)
        } else {
            write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
        }
    }
}

/// What makes pooled connections interchangeable: a connection opened under a laxer rule is not reused under a stricter one.
fn identity(of: &Destination) -> Identity {
    let fingerprint = of.tls.as_deref().map_or("", TlsPolicy::fingerprint);
    let (scheme, host, port) = (of.scheme, &of.host, of.port);
    let (reach, http) = (of.reach, of.http);
    Identity::new(&format!(
        "{scheme}://{host}:{port}|{reach:?}|{http:?}|{fingerprint}"
    ))
}
