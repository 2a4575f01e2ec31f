//! Every code is provoked: by a line of the tables, or by a test of its own; what waits for a part that is not there
//! yet is listed with the reason.

use std::collections::BTreeSet;

use diagnosis::Code;

use super::{Comes, comes, connections, odd, rows};

/// Codes that no upstream can provoke, or none by its bytes alone: with the test that does, in which they are named.
pub(super) const BY_TESTS_OF_THEIR_OWN: [(Code, &str, &str); 16] = [
    (
        Code::DnsFailure,
        "causes/connections.rs",
        include_str!("connections.rs"),
    ),
    (
        Code::Draining,
        "causes/restart.rs",
        include_str!("restart.rs"),
    ),
    (Code::H2StreamReset, "http2.rs", include_str!("../http2.rs")),
    (
        Code::ClientCancelled,
        "leaving.rs",
        include_str!("../leaving.rs"),
    ),
    (
        Code::ClientTimeout,
        "bad_input.rs",
        include_str!("../bad_input.rs"),
    ),
    (
        Code::Unauthenticated,
        "bad_input.rs",
        include_str!("../bad_input.rs"),
    ),
    (
        Code::ModelNotAllowed,
        "callers.rs",
        include_str!("../callers.rs"),
    ),
    (
        Code::NoRoute,
        "bad_input.rs",
        include_str!("../bad_input.rs"),
    ),
    (
        Code::GatewayRateLimited,
        "callers.rs",
        include_str!("../callers.rs"),
    ),
    (
        Code::ProxyLoopDetected,
        "callers.rs",
        include_str!("../callers.rs"),
    ),
    (
        Code::ResourceExhausted,
        "bad_input.rs",
        include_str!("../bad_input.rs"),
    ),
    (Code::ShuttingDown, "drain.rs", include_str!("../drain.rs")),
    (
        Code::NoTargetAvailable,
        "balance.rs",
        include_str!("../balance.rs"),
    ),
    (
        Code::CircuitOpen,
        "breaker.rs",
        include_str!("../breaker.rs"),
    ),
    (Code::LoadShed, "callers.rs", include_str!("../callers.rs")),
    (
        Code::QueueTimeout,
        "balance.rs",
        include_str!("../balance.rs"),
    ),
];

/// Codes without a drill, each with what it waits for.
pub(super) const WAITING: [(Code, &str); 5] = [
    (
        Code::AddressFamilyUnavailable,
        "a host without IPv6 shows it; unit tests hold the system's number for it",
    ),
    (
        Code::IncidentReported,
        "providers' status pages are not read yet",
    ),
    (Code::ContentBlocked, "there are no guardrails yet"),
    (Code::GatewayBudgetExceeded, "there are no budgets yet"),
    (
        Code::GatewayInternalError,
        "no input is known that provokes it: it is the name of a bug",
    ),
];

fn provoked() -> BTreeSet<Code> {
    let cells = rows()
        .into_iter()
        .flat_map(|row| [row.whole, row.stream, row.plain]);
    let lines = connections::lines()
        .into_iter()
        .map(|line| Some(line.expected));
    let odd = odd::SECTIONS
        .iter()
        .flat_map(|section| section.cases)
        .flat_map(|odd| [odd.whole, odd.stream, odd.plain].map(comes));
    cells
        .chain(lines)
        .chain(odd)
        .flatten()
        .filter_map(|comes| match comes {
            Comes::Refused(_, code) | Comes::Broken(code) => Some(code),
            Comes::Whole | Comes::Passes(_) | Comes::Cut => None,
        })
        .collect()
}

#[test]
fn every_code_is_provoked_or_waits_for_a_reason() {
    let provoked = provoked();
    for code in Code::ALL {
        let mut own = BY_TESTS_OF_THEIR_OWN.iter();
        let own = own.find(|(own, _, _)| own == code);
        let waits = WAITING.iter().any(|(waiting, _)| waiting == code);
        let places = [provoked.contains(code), own.is_some(), waits];
        let count = places.iter().filter(|place| **place).count();
        let found = "the tables, the tests of their own, the list of those that wait";
        assert!(count > 0, "{code} is in none of: {found}");
        assert!(
            !waits || count == 1,
            "{code} waits no longer: take it off the list"
        );
        if let Some((_, _, test)) = own {
            assert!(
                test.contains(code.as_str()) || test.contains(&format!("Code::{code:?}")),
                "{code}: the test does not name it"
            );
        }
    }
}
