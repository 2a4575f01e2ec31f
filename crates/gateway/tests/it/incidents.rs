//! Failures of real calls become an incident, which the store keeps.

use std::sync::Arc;

use gateway::journal::incidents::{Keeper, Tally};
use store::IncidentFilter;

use crate::rig::{Rig, USUAL, script};

#[test]
fn calls_that_meet_a_sick_target_open_an_incident_that_tells_what_was_saved() {
    let rig = Rig::with(
        USUAL,
        script(r#"{"rules":[{"when":{"model":"first"},"fault":"html-502"}]}"#),
    );
    let tally = Tally::default();
    let mut keeper = Keeper::new(
        rig.server().noted(),
        rig.store.write_behind().clone(),
        tally.clone(),
        Arc::clone(&rig.shared),
        (None, Vec::new()),
    );
    keeper.look();
    assert_eq!(tally.open(), 0);
    let mut last = None;
    for _ in 0..3 {
        let reply = rig.chat("pair");
        assert_eq!(reply.header("x-goodgate-outcome"), Some("recovered"));
        last = reply.header("x-request-id").map(str::to_owned);
    }
    // A name that a caller made up, and a fault of its own: neither is the target's.
    for _ in 0..3 {
        rig.chat("p/made-up");
        rig.post("/v1/chat/completions", "{");
    }
    keeper.look();
    rig.store.flush().unwrap();
    let filter = IncidentFilter {
        open: true,
        before: None,
    };
    let open = rig.store.incidents(filter, 9).unwrap();
    assert_eq!(open.len(), 1, "{open:?}");
    let incident = &open[0];
    assert_eq!(
        (&*incident.target, &*incident.code),
        ("p/first", "bad_gateway")
    );
    assert_eq!((incident.calls, incident.saved, incident.lost), (3, 3, 0));
    assert!(incident.attempts >= 3 && incident.started_millis <= incident.latest_millis);
    assert_eq!(incident.last_call.map(|call| call.to_string()), last);
    assert_eq!((tally.open(), tally.ever()), (1, 1));
    let evidence = incident.evidence.as_deref().unwrap();
    assert!(!evidence.contains("127.0.0.1"), "{evidence}");
}
