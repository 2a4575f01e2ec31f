//! The end of a gateway: no new calls, running ones to their end.

use std::time::Duration;

use crate::client::Request;
use crate::rig::{Rig, USUAL, script};

#[test]
fn a_gateway_that_drains_refuses_new_calls_and_ends_running_ones_well() {
    let rig = Rig::with(
        USUAL,
        script(r#"{"pace_ms":60,"rules":[{"reply":{"text":"one two three four five six"}}]}"#),
    );
    let ready = || Request::new(rig.address, "GET", "/readyz").send().status;
    assert_eq!(ready(), 200);
    let mut live = rig.stream_request("p/a").start();
    live.until("one");
    rig.server().begin_drain();
    assert_eq!(ready(), 503);
    assert_eq!(
        Request::new(rig.address, "GET", "/livez").send().status,
        200
    );
    let refused = rig.chat("p/a");
    assert_eq!(
        (refused.status, refused.header("x-goodgate-code")),
        (503, Some("shutting_down")),
        "{}",
        refused.body
    );
    assert_eq!(refused.header("x-should-retry"), Some("true"));
    assert!(refused.header("retry-after").is_some());
    rig.server().close_listener();
    let reply = live.finish();
    assert_eq!(
        (reply.text().as_str(), reply.whole),
        ("one two three four five six", true)
    );
    assert!(rig.server().wait_idle(Duration::from_secs(2)));
}
