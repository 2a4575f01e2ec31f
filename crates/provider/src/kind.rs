//! What a kind is made of.

use std::fmt;
use std::time::Duration;

use diagnosis::Code;
use dialect::{Dialect, ErrorWords};
use http::HeaderMap;

use crate::auth::Auth;
use crate::deviations::Deviation;

/// A company or server program that serves models: facts, and one hook for the words of its errors.
pub struct Kind {
    /// What `type:` in the configuration says; also the default name of a provider of this kind.
    pub name: &'static str,
    /// The name people know it by.
    pub title: &'static str,
    /// The dialect it speaks best, and in which it is called.
    pub dialect: Dialect,
    /// Where it lives, without the version segment; `None` where every installation has its own address.
    pub base_url: Option<&'static str>,
    /// What stands between the base URL and the operation when the base URL names no version: `/v1`.
    pub version_segment: &'static str,
    /// How it takes its key.
    pub auth: Auth,
    /// Environment variables that hold its key, the one that wins first.
    pub key_variables: &'static [&'static str],
    /// Environment variables by which its own SDK is told another address.
    pub base_url_variables: &'static [&'static str],
    /// What an error's words mean here, by type and code first, message second; `None` leaves it to the status.
    pub explain: fn(&Reading<'_>) -> Option<Code>,
    /// The text of its `models.toml`: prices and limits, see [`crate::catalog`].
    pub models: &'static str,
    /// Small differences from the dialect's letter that others must know of.
    pub deviations: &'static [Deviation],
    /// How long an idle connection to it may be reused.
    pub idle_limit: Duration,
    /// The header of its answers that names the request in its own logs.
    pub request_id_header: &'static str,
    /// Whether calls to it cost money.
    pub billing: Billing,
    /// Where it runs.
    pub place: Place,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kind({})", self.name)
    }
}

/// Two kinds are the same when they have the same name.
impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kind {}

impl Kind {
    /// Whether it differs from its dialect in this way.
    #[must_use]
    pub fn has(&self, deviation: Deviation) -> bool {
        self.deviations.contains(&deviation)
    }

    /// Whether it refuses every call that carries no key.
    #[must_use]
    pub fn needs_key(&self) -> bool {
        self.place == Place::Service
    }
}

/// Whether calls cost money, and so whether there is an account whose credit can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Billing {
    /// There is an account.
    Account,
    /// Someone runs it himself: no account, no credit, no quota error.
    None,
}

/// Where a kind runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A company's service with one public address; it wants a key.
    Service,
    /// A server program that someone runs himself, often on this machine; a key is optional.
    OwnServer,
    /// The scripted server inside goodgate.
    Inside,
}

/// An error answer as a kind's `explain` sees it.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The HTTP status; 200 for an error hidden in a success.
    pub status: u16,
    /// What the body says, as far as its dialect could read it.
    pub words: &'a ErrorWords,
    /// The answer's headers.
    pub headers: &'a HeaderMap,
}

impl Reading<'_> {
    /// The error's type or status word, empty where there is none.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.words.kind.as_deref().unwrap_or_default()
    }

    /// The error's code, empty where there is none.
    #[must_use]
    pub fn code(&self) -> &str {
        self.words.code.as_deref().unwrap_or_default()
    }

    /// The error's message, empty where there is none.
    #[must_use]
    pub fn message(&self) -> &str {
        self.words.message.as_deref().unwrap_or_default()
    }
}
