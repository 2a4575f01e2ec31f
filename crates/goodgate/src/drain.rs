//! Brings running calls to their end before the process comes to its own.

use std::sync::Arc;
use std::time::Duration;

use gateway::gate::Shared;
use gateway::serve::Server;
use gateway::serve::drain::{Stage, Timetable};

use crate::signals::{Signals, Wish};

/// How often it is looked whether all is done.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Off loopback, connections that were in use get this long to be used once more and be closed with the answer.
const CONNECTIONS_CLOSE: Duration = Duration::from_secs(7);

/// What is written gets this long to reach its clients.
const WRITTEN: Duration = Duration::from_secs(1);

/// Goes through the stages of a shutdown. A second signal ends running calls at once, each with a word of why.
pub(crate) async fn drain(server: &Server, shared: &Arc<Shared>, signals: &mut Signals) {
    let timetable = {
        let policy = shared.policy.load();
        let limits = &policy.snapshot.server;
        Timetable {
            listener: limits.listener_stays().min(limits.drain),
            calls: limits.drain,
            streams: limits.drain_streams,
        }
    };
    let running = server.running_calls();
    if running > 0 {
        tracing::info!(
            "{running} calls are running; they may finish (a second signal ends them now)"
        );
    }
    let hurried = tokio::select! {
        () = pass(server, shared, timetable) => None,
        wish = second(signals) => Some(wish),
    };
    if hurried == Some(Wish::Quit) {
        return;
    }
    let told = server.running_calls();
    shared.drain.advance(Stage::EndingStreams);
    if told > 0 {
        tracing::warn!("{told} calls did not finish; their clients are told");
    }
    let until = shared.clock.now() + WRITTEN;
    while server.connections() > 0 && shared.clock.now() < until {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Moves from stage to stage until no call runs, or none is waited for any longer.
async fn pass(server: &Server, shared: &Arc<Shared>, timetable: Timetable) {
    let start = shared.clock.now();
    // Where nothing balances, nobody needs time to look elsewhere.
    let close_by = timetable.listener + CONNECTIONS_CLOSE.min(timetable.listener * 2);
    loop {
        let elapsed = shared.clock.now().saturating_duration_since(start);
        let stage = timetable.due(elapsed);
        shared.drain.advance(stage);
        let closed = elapsed >= close_by || server.connections() == 0;
        let done = stage >= Stage::Closing && server.running_calls() == 0 && closed;
        if done || stage >= Stage::EndingStreams {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The next signal to end; a reload changes nothing for a gateway that ends.
async fn second(signals: &mut Signals) -> Wish {
    loop {
        match signals.next().await {
            Wish::Reload => {}
            wish => return wish,
        }
    }
}
