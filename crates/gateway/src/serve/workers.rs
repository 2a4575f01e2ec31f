//! A worker: one thread, one runtime, its own client and pool. It serves the connections that it is given.

use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use types::ClockWatch;

use super::connection;
use super::door::Visitor;
use super::drain::{self, Stage};
use crate::gate::Gate;
use crate::journal::in_flight::InFlight;
use crate::lanes;
use crate::resources::BEAT_EVERY;
use crate::tasks::Tasks;

/// Accepted sockets that wait for a worker's attention: at most this many, above it the other worker is asked, then the
/// connection is closed. A worker takes one in microseconds; a thousand waiting means that it is stuck.
const QUEUE_BOUND: usize = 1024;

/// How often idle connections to upstreams are looked through: a quiet gateway returns none, which would do it.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// A connection on its way to a worker.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) socket: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) visitor: Visitor,
}

/// A running worker.
#[derive(Debug)]
pub(super) struct Worker {
    handle: Handle,
    thread: std::thread::JoinHandle<()>,
}

/// How the acceptor reaches a worker.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    queue: mpsc::Sender<Accepted>,
    calls: InFlight,
    connections: Tasks,
}

impl Handle {
    /// Calls first, then connections: an idle connection costs nothing.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.calls.len(), self.connections.running())
    }

    /// Hands a connection over, or gives it back when the queue is full.
    pub(super) fn give(&self, accepted: Accepted) -> Result<(), Accepted> {
        self.queue.try_send(accepted).map_err(|error| match error {
            mpsc::error::TrySendError::Full(accepted)
            | mpsc::error::TrySendError::Closed(accepted) => accepted,
        })
    }
}

impl Worker {
    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.handle.connections.running()
    }

    pub(super) fn join(self) {
        let Self { handle, thread } = self;
        drop(handle);
        if thread.join().is_err() {
            tracing::error!("a worker panicked");
        }
    }
}

/// Starts a worker's thread.
pub(super) fn start(number: usize, gate: Arc<Gate>) -> std::io::Result<Worker> {
    let (queue, accepted) = mpsc::channel(QUEUE_BOUND);
    let connections = Tasks::default();
    let handle = Handle {
        queue,
        calls: gate.recorder.in_flight.clone(),
        connections: connections.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let thread = std::thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || runtime.block_on(work(number, gate, accepted, connections)))?;
    Ok(Worker { handle, thread })
}

async fn work(
    number: usize,
    gate: Arc<Gate>,
    mut accepted: mpsc::Receiver<Accepted>,
    connections: Tasks,
) {
    // Asking after upstreams once is enough for all workers.
    let asking = Tasks::default();
    if number == 0 {
        asking.spawn("health", lanes::health::watch(Arc::clone(&gate)));
    }
    let mut ended = pin!(drain::reached(gate.shared.drain.watch(), Stage::Ended));
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    let mut beat = tokio::time::interval(BEAT_EVERY);
    for timer in [&mut sweep, &mut beat] {
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    let clock = &gate.shared.clock;
    let lag = gate.shared.resources.add_worker(clock.now());
    let mut clocks = ClockWatch::default();
    loop {
        let next = tokio::select! {
            biased;
            next = accepted.recv() => next,
            () = ended.as_mut() => None,
            _ = beat.tick() => {
                lag.beat(clock.now());
                gate.dates.beat(clock.unix_millis());
                // After a sleep the peers of idle connections have gone without a word.
                if clocks.look(clock.now(), clock.unix_millis()).is_some() {
                    gate.client.sweep();
                }
                continue;
            }
            _ = sweep.tick() => {
                gate.client.sweep();
                continue;
            }
        };
        let Some(next) = next else { return };
        connections.spawn("connection", connection::serve(Arc::clone(&gate), next));
    }
}
