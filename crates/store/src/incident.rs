//! An incident: failures of one cause at one target, from the first to the last of them.

use std::fmt;
use std::sync::Arc;

use types::CallId;

use crate::row::Word;

/// The number of an incident, written `inc_0142`; a later one has a greater number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IncidentId(pub u64);

impl IncidentId {
    /// Reads what `Display` wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("inc_")?;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok().map(Self))?
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inc_{:04}", self.0)
    }
}

/// What is kept of an incident. Its evidence is what a client may see: no address, no secret, no prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentRow {
    /// Its number.
    pub id: IncidentId,
    /// The target's label.
    pub target: Arc<str>,
    /// The failures' code.
    pub code: Word,
    /// The code's group.
    pub group: Word,
    /// When the first attempt failed: milliseconds since 1970, as all times here.
    pub started_millis: u64,
    /// When the last one failed, so far.
    pub latest_millis: u64,
    /// When it ended, which is its last failure; none while it lasts.
    pub ended_millis: Option<u64>,
    /// Why it was closed: `health` (the target answers again) or `quiet` (nobody asked it, or it never failed again).
    pub closed_by: Option<Word>,
    /// Attempts that failed.
    pub attempts: u64,
    /// Calls that met it, those included that were turned away because of it.
    pub calls: u64,
    /// Of those, answered all the same.
    pub saved: u64,
    /// Of those, failed. The rest was left by its clients.
    pub lost: u64,
    /// One line of evidence, of the last failure.
    pub evidence: Option<String>,
    /// The last call that met it.
    pub last_call: Option<CallId>,
}

impl IncidentRow {
    /// Whether it lasts.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.ended_millis.is_none()
    }
}

/// Which incidents are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IncidentFilter {
    /// Only those that last.
    pub open: bool,
    /// Only those with a smaller number: where the page before ended.
    pub before: Option<IncidentId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_back_as_itself() {
        for (number, text) in [(1, "inc_0001"), (142, "inc_0142"), (123_456, "inc_123456")] {
            assert_eq!(IncidentId(number).to_string(), text);
            assert_eq!(IncidentId::parse(text), Some(IncidentId(number)));
        }
        for text in [
            "",
            "inc_",
            "0142",
            "inc_1x",
            "inc_+1",
            "inc_99999999999999999999",
        ] {
            assert_eq!(IncidentId::parse(text), None, "{text}");
        }
    }
}
