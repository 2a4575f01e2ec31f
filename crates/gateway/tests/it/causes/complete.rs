//! Every code is provoked: by a line of the tables, or by a test of its own; what waits for a part that is not there
//! yet is listed with the reason.

use std::collections::BTreeSet;

use diagnosis::Code;

use super::{Comes, comes, connections, odd, rows};

/// Codes that no upstream can provoke, or none by its bytes alone: with the test that does, in which they are named.
const BY_TESTS_OF_THEIR_OWN: [(Code, &str); 13] = [
    (Code::DnsFailure, include_str!("connections.rs")),
    (Code::Draining, include_str!("restart.rs")),
    (Code::H2StreamReset, include_str!("../http2.rs")),
    (Code::ClientCancelled, include_str!("../leaving.rs")),
    (Code::ClientTimeout, include_str!("../bad_input.rs")),
    (Code::Unauthenticated, include_str!("../bad_input.rs")),
    (Code::ModelNotAllowed, include_str!("../callers.rs")),
    (Code::NoRoute, include_str!("../bad_input.rs")),
    (Code::GatewayRateLimited, include_str!("../callers.rs")),
    (Code::ProxyLoopDetected, include_str!("../callers.rs")),
    (Code::ResourceExhausted, include_str!("../bad_input.rs")),
    (Code::ShuttingDown, include_str!("../drain.rs")),
    (Code::NoTargetAvailable, include_str!("../balance.rs")),
];

/// Codes without a drill, each with what it waits for.
const WAITING: [(Code, &str); 8] = [
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
    (Code::CircuitOpen, "the breakers are under way"),
    (Code::LoadShed, "shedding by priority is under way"),
    (Code::QueueTimeout, "queues before targets are under way"),
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
        let own = BY_TESTS_OF_THEIR_OWN.iter().find(|(own, _)| own == code);
        let waits = WAITING.iter().any(|(waiting, _)| waiting == code);
        let places = [provoked.contains(code), own.is_some(), waits];
        let count = places.iter().filter(|place| **place).count();
        let found = "the tables, the tests of their own, the list of those that wait";
        assert!(count > 0, "{code} is in none of: {found}");
        assert!(
            !waits || count == 1,
            "{code} waits no longer: take it off the list"
        );
        if let Some((_, test)) = own {
            assert!(
                test.contains(code.as_str()) || test.contains(&format!("Code::{code:?}")),
                "{code}: the test does not name it"
            );
        }
    }
}
