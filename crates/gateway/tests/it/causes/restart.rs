//! What a failure is called depends on what else is known: a host that was well a moment ago is being restarted.

use std::fmt::Write as _;

use diagnosis::Code;
use drill::{Drill, Options};

use crate::rig::{Rig, USUAL};

/// Three hosts of their own, and a model of two of them.
fn rig(drills: &[Drill]) -> Rig {
    let mut providers = String::new();
    for (n, drill) in drills.iter().enumerate() {
        let address = drill.address();
        writeln!(
            providers,
            "  h{n}: {{ type: openai-compatible, base_url: http://{address}/v1, api_key: sk-x }}"
        )
        .unwrap();
    }
    let yaml = USUAL
        .replace("providers:\n", &format!("providers:\n{providers}"))
        .replace(
            "models:\n",
            "models:\n  both: { targets: [h0/echo, h1/echo] }\n",
        );
    Rig::with(&yaml, drill::Script::default())
}

/// What a call gets from the first host, which answered well at first where `before` says so, and has then gone; so many
/// others are well.
fn check(before: bool, others: usize) -> String {
    let mut drills: Vec<_> = (0..3)
        .map(|_| Drill::start(Options::default()).unwrap())
        .collect();
    let rig = rig(&drills);
    let well = (1..=others).chain(before.then_some(0));
    for n in well {
        assert_eq!(rig.chat(&format!("h{n}/echo")).status, 200);
    }
    drop(drills.remove(0));
    let gone = rig
        .chat_request("h0/echo", "")
        .header("x-goodgate-max-attempts", "1")
        .send();
    let code = gone.header("x-goodgate-code").unwrap().to_owned();
    let wanted = Code::parse(&code).unwrap().facts().http;
    assert_eq!(gone.status, wanted, "{}", gone.body);
    let both = rig.chat("both");
    let outcome = both.header("x-goodgate-outcome");
    assert_eq!(
        (both.status, outcome),
        (200, Some("recovered")),
        "{}",
        both.body
    );
    code
}

#[test]
fn a_host_that_answered_a_moment_ago_and_now_refuses_is_restarting_while_others_are_well() {
    assert_eq!(check(true, 2), "draining");
    assert_eq!(check(true, 1), "connection_refused");
    assert_eq!(check(false, 2), "connection_refused");
}
