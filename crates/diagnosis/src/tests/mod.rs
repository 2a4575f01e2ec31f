#![cfg(test)]
//! The classifier as a whole: a golden table, recorded failures, and what holds for any evidence at all.

mod any;
mod corpus;
mod golden;
mod pages;

use crate::cause::Code;

/// Codes that [`crate::judge`] never gives: an attempt cannot show them.
const NEVER_JUDGED: [Code; 14] = [
    // Needs the provider's status page.
    Code::IncidentReported,
    // Refusals before any attempt.
    Code::ClientTimeout,
    Code::Unauthenticated,
    Code::ModelNotAllowed,
    Code::ContentBlocked,
    Code::NoRoute,
    Code::NoTargetAvailable,
    Code::CircuitOpen,
    Code::LoadShed,
    Code::QueueTimeout,
    Code::GatewayRateLimited,
    Code::GatewayBudgetExceeded,
    Code::ShuttingDown,
    Code::ProxyLoopDetected,
];

/// The codes that an attempt can show.
fn judged() -> impl Iterator<Item = Code> {
    Code::ALL
        .iter()
        .copied()
        .filter(|code| !NEVER_JUDGED.contains(code))
}
