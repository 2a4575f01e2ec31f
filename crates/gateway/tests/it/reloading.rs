//! A new configuration while calls run.

use std::sync::atomic::{AtomicBool, Ordering};

use gateway::reload;

use crate::rig::{Rig, USUAL, in_parallel, script, snapshot};

#[test]
fn no_call_fails_while_configurations_come_and_go() {
    let rig = Rig::usual();
    let over = AtomicBool::new(false);
    let yaml = USUAL.replace("DRILL", &rig.drill.url());
    std::thread::scope(|scope| {
        let reloads = scope.spawn(|| {
            let mut count = 0_u64;
            while !over.load(Ordering::SeqCst) {
                let other = yaml.replace(
                    "p/first",
                    if count.is_multiple_of(2) {
                        "p/echo"
                    } else {
                        "q/echo"
                    },
                );
                let snapshot = snapshot(&other).with_version(count + 2);
                reload::install(&rig.shared, snapshot, &rig.stored_keys).unwrap();
                count += 1;
            }
            count
        });
        let replies = in_parallel(&[(); 300], |()| rig.chat("pair"));
        over.store(true, Ordering::SeqCst);
        assert!(reloads.join().unwrap() > 5);
        for reply in replies {
            assert_eq!(
                (reply.status, reply.header("x-goodgate-outcome")),
                (200, Some("ok")),
                "{}",
                reply.body
            );
        }
    });
}

#[test]
fn a_call_ends_by_the_configuration_it_began_with_and_a_key_that_is_gone_opens_nothing() {
    let rig = Rig::with(
        USUAL,
        script(r#"{"pace_ms":60,"rules":[{"reply":{"text":"one two three four"}}]}"#),
    );
    let mut live = rig.stream_request("p/a").start();
    live.until("one");
    let without_p = USUAL
        .replace("DRILL", &rig.drill.url())
        .replace("  p:", "  z:")
        .replace("p/first", "z/first");
    reload::install(&rig.shared, snapshot(&without_p), &[]).unwrap();
    assert_eq!(rig.chat("z/a").status, 401);
    let reply = live.finish();
    assert_eq!(
        (reply.text().as_str(), reply.whole),
        ("one two three four", true)
    );
    reload::install(&rig.shared, snapshot(&without_p), &rig.stored_keys).unwrap();
    assert_eq!(rig.chat("p/a").header("x-goodgate-code"), Some("no_route"));
    assert_eq!(rig.chat("z/a").status, 200);
}
