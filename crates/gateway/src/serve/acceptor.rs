//! One thread takes sockets from the listener and gives each to the less busy of two random workers.
//!
//! Why not `SO_REUSEPORT`: hashing few connections over listeners loads them unevenly, and closing a listener resets
//! what waits in its queue.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::watch;

use super::door::Door;
use super::drain::{self, Stage};
use super::starved::Starved;
use super::workers::{Accepted, Handle};

/// Starts the acceptor's thread.
pub(super) fn start(
    listener: TcpListener,
    workers: Vec<Handle>,
    door: Arc<Door>,
    stage: watch::Receiver<Stage>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("acceptor".into())
        .spawn(move || {
            runtime.block_on(accept(listener, &workers, &door, stage));
        })
}

async fn accept(
    listener: TcpListener,
    workers: &[Handle],
    door: &Arc<Door>,
    stage: watch::Receiver<Stage>,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the listener cannot be watched");
            return;
        }
    };
    let mut closing = pin!(drain::reached(stage, Stage::Closing));
    let mut starved = Starved::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = closing.as_mut() => return,
        };
        match accepted {
            Ok((socket, peer)) => {
                starved.is_over();
                // The socket leaves this thread's poll and joins its worker's.
                if let (Some(visitor), Ok(socket)) = (door.enter(peer), socket.into_std()) {
                    place(
                        workers,
                        Accepted {
                            socket,
                            peer,
                            visitor,
                        },
                    );
                }
            }
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                let now = door.clock().now();
                tokio::select! {
                    () = starved.wait(&error, &listener, now) => {}
                    () = closing.as_mut() => return,
                }
            }
        }
    }
}

/// The less busy of two random workers; the other where its queue is full. Both full: the connection is closed.
fn place(workers: &[Handle], accepted: Accepted) {
    let pick = || workers.get(fastrand::usize(..workers.len().max(1)));
    let (Some(one), Some(other)) = (pick(), pick()) else {
        return;
    };
    let (first, second) = if one.load() <= other.load() {
        (one, other)
    } else {
        (other, one)
    };
    if let Err(back) = first.give(accepted)
        && second.give(back).is_err()
    {
        tracing::warn!("a connection was closed: every worker's queue is full");
    }
}
