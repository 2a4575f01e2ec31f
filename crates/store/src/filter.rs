//! What a reader asks for, and a page of the answer.

use crate::row::{Kept, NotKept, Outcome};

/// A place between two rows: a page holds rows that came before it. Opaque to callers; survives inserts and deletions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub(crate) i64);

impl Cursor {
    /// The place just before the row of this `seq`.
    #[must_use]
    pub fn before(seq: i64) -> Self {
        Self(seq)
    }

    /// Reads what `Display` wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|seq| *seq > 0).map(Self)
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Which calls are wanted; an empty filter wants all. Conditions are joined by "and".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these outcomes; empty: all.
    pub outcomes: Vec<Outcome>,
    /// The model or route asked for, exactly.
    pub model: Option<String>,
    /// The caller's key, exactly.
    pub key: Option<String>,
    /// A target that served or was tried.
    pub target: Option<String>,
    /// A code of the call or of one of its attempts.
    pub code: Option<String>,
    /// The status the client got, or an attempt's.
    pub status: Option<u16>,
    /// The beginning of a request id, a client's request id or an upstream's.
    pub text: Option<String>,
    /// Ended at this time or later: milliseconds since 1970.
    pub since: Option<u64>,
    /// Ended before this time: milliseconds since 1970.
    pub until: Option<u64>,
}

/// Rows, newest first, and where to go on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The rows; their `evidence_json`, `details` and `error_json` are left out.
    pub rows: Vec<Kept>,
    /// Where older rows begin; none when there are none. A page may be short, even empty, and yet have more to
    /// come: a search that takes long is cut into pages by time.
    pub next: Option<Cursor>,
    /// Calls of the page's span of time of which no row was kept, newest first.
    pub not_kept: Vec<NotKept>,
}
