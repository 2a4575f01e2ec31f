//! The machine around the pipeline: one acceptor, some workers, a door that is strict with those it does not know.

mod acceptor;

pub mod admin_door;

mod connection;

mod facts;

mod line;

mod conversation;

mod http2;

mod request_body;

mod dates;

mod dispatch;

mod door;

pub mod drain;

mod starved;

mod workers;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use drain::Stage;

pub use dates::Dates;
pub use line::Upgraded;
pub use request_body::{BodyError, RequestBody};

use crate::gate::{Gate, Shared};
use crate::journal::in_flight::InFlight;
use crate::journal::incidents::{Notes, Tally};
use crate::journal::metrics::Metrics;
use crate::journal::metrics::scrape::{Scraper, Worker as Scraped};
use crate::journal::traces::Exporter;
use crate::journal::{Recorder, access_log::AccessLog};

/// What the workers are made of.
#[derive(Debug)]
pub struct Parts {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// Name resolution, shared by all.
    pub resolver: Arc<upstream::Resolver>,
    /// The access log, where one is wanted.
    pub access_log: Option<AccessLog>,
    /// What sends spans, where they are wanted.
    pub traces: Option<Arc<Exporter>>,
    /// The store's queue.
    pub rows: Option<store::WriteBehind>,
    /// How many workers.
    pub workers: usize,
}

/// A running gateway.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    workers: Vec<workers::Worker>,
    acceptor: Option<std::thread::JoinHandle<()>>,
    in_flight: Vec<InFlight>,
    scraper: Scraper,
    noted: Vec<(Metrics, Notes)>,
}

/// How the workers are numbered when nobody says otherwise: one carries tens of thousands of small calls a second.
#[must_use]
pub fn default_workers() -> usize {
    std::thread::available_parallelism()
        .map_or(1, std::num::NonZero::get)
        .min(4)
}

/// Connections that wait to be accepted. The kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Listens on an address.
///
/// # Errors
/// When the address is taken or not of this machine.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for old connections to time out.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Starts the acceptor and the workers on a socket that is already bound.
///
/// # Errors
/// When a thread or a runtime cannot be started.
pub fn start(listener: TcpListener, parts: Parts) -> std::io::Result<Server> {
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let mut started = Vec::with_capacity(parts.workers);
    let mut in_flight = Vec::with_capacity(parts.workers);
    let door = door::Door::new(Arc::clone(&parts.shared));
    let mut noted = Vec::with_capacity(parts.workers);
    let mut scraper = Scraper {
        shared: Arc::clone(&parts.shared),
        workers: Vec::with_capacity(parts.workers),
        access_log: parts.access_log.clone(),
        rows: parts.rows.clone(),
        connections: door.inside(),
        incidents: Tally::default(),
        spans: parts.traces.as_ref().map(|exporter| exporter.fates()),
    };
    for number in 0..parts.workers.max(1) {
        let calls = InFlight::default();
        in_flight.push(calls.clone());
        let metrics = Metrics::new(Arc::clone(&parts.shared.labels));
        let notes = Notes::new(Arc::clone(&parts.shared.labels));
        let gate = Arc::new(Gate {
            shared: Arc::clone(&parts.shared),
            dates: Dates::new(parts.shared.clock.unix_millis()),
            client: upstream::Client::new(upstream::ClientOptions::new(
                Arc::clone(&parts.resolver),
                Arc::clone(&parts.shared.clock),
            )),
            recorder: Arc::new(Recorder {
                clock: Arc::clone(&parts.shared.clock),
                in_flight: calls.clone(),
                metrics: metrics.clone(),
                notes: notes.clone(),
                traces: parts.traces.as_ref().map(|exporter| exporter.traces()),
                access_log: parts.access_log.clone(),
                rows: parts.rows.clone(),
            }),
        });
        noted.push((metrics.clone(), notes));
        scraper.workers.push(Scraped {
            metrics,
            in_flight: calls,
            client: gate.client.clone(),
        });
        started.push(workers::start(number, gate)?);
    }
    let handles = started.iter().map(workers::Worker::handle).collect();
    let acceptor = acceptor::start(listener, handles, door, parts.shared.drain.watch())?;
    Ok(Server {
        address,
        shared: parts.shared,
        workers: started,
        acceptor: Some(acceptor),
        in_flight,
        scraper,
        noted,
    })
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The running calls, a table for each worker.
    #[must_use]
    pub fn in_flight(&self) -> &[InFlight] {
        &self.in_flight
    }

    /// What a scrape of the metrics reads.
    #[must_use]
    pub fn scraper(&self) -> Scraper {
        self.scraper.clone()
    }

    /// What incidents are made of: each worker's numbers and notes.
    #[must_use]
    pub fn noted(&self) -> Vec<(Metrics, Notes)> {
        self.noted.clone()
    }

    /// How many calls run.
    #[must_use]
    pub fn running_calls(&self) -> usize {
        self.in_flight.iter().map(InFlight::len).sum()
    }

    /// How many client connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.workers.iter().map(workers::Worker::connections).sum()
    }

    /// Ends everything and waits for the threads.
    pub fn stop(mut self) {
        self.shared.drain.advance(Stage::Ended);
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
        for worker in self.workers.drain(..) {
            worker.join();
        }
    }
}
