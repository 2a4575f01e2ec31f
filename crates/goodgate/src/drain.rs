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

/// Why the gateway ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It was asked to: whoever asked waits for it.
    Asked,
    /// Another one accepts in its place: nobody waits, so that every call has as long as a stream.
    Succeeded,
}

/// Goes through the stages of a shutdown. A second signal ends running calls at once, each with a word of why.
pub(crate) async fn drain(
    server: &Server,
    shared: &Arc<Shared>,
    signals: &mut Signals,
    reason: Reason,
) {
    let timetable = {
        let policy = shared.policy.load();
        let limits = &policy.snapshot.server;
        match reason {
            Reason::Asked => Timetable {
                listener: limits.listener_stays().min(limits.drain),
                calls: limits.drain,
                streams: limits.drain_streams,
            },
            Reason::Succeeded => Timetable {
                listener: Duration::ZERO,
                calls: limits.drain.max(limits.drain_streams),
                streams: limits.drain_streams,
            },
        }
    };
    // Where nothing balances and nobody succeeds, clients have nowhere else to go.
    let close_by = if timetable.listener.is_zero() && reason == Reason::Asked {
        Duration::ZERO
    } else {
        timetable.listener + CONNECTIONS_CLOSE
    };
    let running = server.running_calls();
    if running > 0 {
        tracing::info!(
            "{running} calls are running; they may finish (a second signal ends them now)"
        );
    }
    let hurried = tokio::select! {
        () = pass(server, shared, timetable, close_by) => None,
        wish = hurry(signals, reason) => Some(wish),
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
async fn pass(server: &Server, shared: &Arc<Shared>, timetable: Timetable, close_by: Duration) {
    let start = shared.clock.now();
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

/// The second signal to end, or one to end at once; others change nothing for a gateway that ends.
async fn hurry(signals: &mut Signals, reason: Reason) -> Wish {
    let mut asked = reason == Reason::Asked;
    loop {
        match signals.next().await {
            Wish::Reload | Wish::Upgrade => {}
            Wish::Drain if !asked => asked = true,
            wish => return wish,
        }
    }
}
