//! From a verdict to what it teaches: the only place where that is decided.
//!
//! **Invariant:** nothing else turns a verdict into a lesson, and every attempt's end comes here or teaches nothing.

use std::sync::Arc;

use diagnosis::{Code, Evidence, Group, Other, Phase, Verdict};
use resilience::{Fault, Lesson, Level, Weight};

/// Whether waits that an upstream asks for are obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hints {
    /// They are.
    Obeyed,
    /// The configuration says not.
    Ignored,
    /// The answer had begun: what its head said was of another time.
    TooLate,
}

impl Hints {
    pub(crate) fn when(obeyed: bool) -> Self {
        if obeyed { Self::Obeyed } else { Self::Ignored }
    }
}

/// What a failure teaches.
pub(crate) fn of(verdict: &Verdict, evidence: &Evidence, hints: Hints) -> Lesson {
    let facts = verdict.code.facts();
    // A caller's tiny timeout says nothing of the target; nor does an answer that flowed until the call's end.
    let in_time = verdict.code != Code::DeadlineExceeded
        || !matches!(evidence.phase, Phase::Body | Phase::Stream);
    if evidence.timer_from_caller || !in_time {
        return Lesson::Nothing;
    }
    let Some((level, weight)) = weight(verdict.code) else {
        return Lesson::Nothing;
    };
    let is_overload = facts.group == Group::Overload;
    let hint = evidence
        .hint()
        .filter(|hint| hints == Hints::Obeyed && !hint.is_zero());
    Lesson::Failed(Fault {
        level,
        weight,
        is_loss: is_overload || verdict.code == Code::ConnectionTimeout,
        is_overload,
        cause: verdict.code.as_str(),
        excerpt: evidence.excerpt.as_deref().map(Arc::from),
        hint,
        rests: match facts.group {
            Group::Overload if facts.other == Other::Key => Some(Level::Credential),
            Group::Overload | Group::Maintenance => Some(Level::Target),
            _ => None,
        },
    })
}

/// What failed, and how much that counts; none where it says nothing of an upstream.
fn weight(code: Code) -> Option<(Level, Weight)> {
    Some(match code {
        // Nobody's request is answered with this key until someone acts.
        Code::CredentialsRejected | Code::QuotaExhausted => (Level::Credential, Weight::OpensFlat),
        // This key may not use this model; it may others, and other keys may.
        Code::PermissionDenied => (Level::Credential, Weight::Full),
        Code::RateLimited => (Level::Target, Weight::Rate),
        Code::IncidentReported => (Level::Provider, Weight::Opens),
        // The name or the handshake fails for every model there.
        Code::DnsNameNotFound
        | Code::AddressFamilyUnavailable
        | Code::TlsToPlaintextPort
        | Code::PlaintextToTlsPort
        | Code::TlsCertExpired
        | Code::TlsCertNameMismatch
        | Code::TlsCertUntrusted
        | Code::TlsHandshakeFailure
        | Code::TlsAlpnMismatch => (Level::Provider, Weight::OpensFlat),
        // What one request provokes, another need not.
        Code::ResponseHeaderTooLarge => (Level::Target, Weight::Full),
        other => match other.facts().group {
            Group::Client | Group::Policy | Group::Gateway => return None,
            Group::Configuration => (Level::Target, Weight::OpensFlat),
            Group::Overload
            | Group::Network
            | Group::Timeout
            | Group::Maintenance
            | Group::Upstream => (Level::Target, Weight::Full),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighed(code: Code) -> Option<(Level, Weight)> {
        weight(code)
    }

    #[test]
    fn what_is_the_callers_or_ours_teaches_nothing() {
        for code in Code::ALL {
            let silent = matches!(
                code.facts().group,
                Group::Client | Group::Policy | Group::Gateway
            ) && *code != Code::QuotaExhausted;
            assert_eq!(weighed(*code).is_none(), silent, "{code:?}");
        }
    }

    #[test]
    fn failures_count_where_they_belong() {
        for (code, expected) in [
            (Code::BadGateway, (Level::Target, Weight::Full)),
            (Code::RateLimited, (Level::Target, Weight::Rate)),
            (Code::ModelNotFound, (Level::Target, Weight::OpensFlat)),
            (Code::TlsCertExpired, (Level::Provider, Weight::OpensFlat)),
            (Code::DnsFailure, (Level::Target, Weight::Full)),
            (
                Code::CredentialsRejected,
                (Level::Credential, Weight::OpensFlat),
            ),
        ] {
            assert_eq!(weighed(code), Some(expected), "{code:?}");
        }
    }
}
