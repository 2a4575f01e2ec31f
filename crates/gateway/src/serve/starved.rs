//! What the acceptor does when the process has no descriptor left: it waits, and after a second says so to those who wait.
//!
//! A descriptor is held in reserve for that. Without it, who connects would wait in the kernel's queue without a word.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// How long the acceptor rests when it cannot accept: long enough not to spin, short enough to be back at once.
pub(super) const REST: Duration = Duration::from_millis(20);

/// So long who connects may wait for descriptors to be given back, as they are all the time.
const WAITS: Duration = Duration::from_secs(1);

/// How often it is logged.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// How long a client may take to send the request that is refused: closing over unread bytes would throw the answer away.
const READS: Duration = Duration::from_millis(50);

const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nx-goodgate-code: resource_exhausted\r\nx-should-retry: true\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 123\r\n\r\n{\"error\":{\"message\":\"The gateway has no descriptor left for this call.\",\"type\":\"server_error\",\"code\":\"resource_exhausted\"}}";

/// What to do about an accept that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Try again after [`REST`].
    Rest,
    /// Tell one of those who wait.
    Tell,
}

/// Since when nothing can be accepted, and when that was last logged.
#[derive(Debug, Default)]
struct Spell {
    since: Option<Instant>,
    logged: Option<Instant>,
    refused: u64,
}

impl Spell {
    /// An accept failed for want of a descriptor.
    fn act(&mut self, now: Instant) -> Act {
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= WAITS {
            Act::Tell
        } else {
            Act::Rest
        }
    }

    /// Whether it is time for a line in the log.
    fn is_to_be_logged(&mut self, now: Instant) -> bool {
        let due = self
            .logged
            .is_none_or(|last| now.saturating_duration_since(last) >= LOG_EVERY);
        if due {
            self.logged = Some(now);
        }
        due
    }
}

/// The acceptor's way through such a spell.
#[derive(Debug)]
pub(super) struct Starved {
    spell: Spell,
    reserve: Option<File>,
}

impl Starved {
    pub(super) fn new() -> Self {
        Self {
            spell: Spell::default(),
            reserve: reserve(),
        }
    }

    /// An accept succeeded.
    pub(super) fn is_over(&mut self) {
        if self.spell.since.take().is_some() && self.spell.refused > 0 {
            tracing::info!(
                "descriptors are free again; {} connections were refused",
                self.spell.refused
            );
            self.spell.refused = 0;
        }
    }

    /// An accept failed; returns when the next may be tried.
    pub(super) async fn wait(&mut self, error: &io::Error, listener: &TcpListener, now: Instant) {
        if self.spell.is_to_be_logged(now) {
            tracing::error!(%error, "connections cannot be accepted; is the limit of open files (ulimit -n) too low?");
        }
        let starved = matches!(
            error.raw_os_error().map(Errno::from_raw),
            Some(Errno::EMFILE | Errno::ENFILE)
        );
        if starved && self.spell.act(now) == Act::Tell {
            self.tell_one(listener).await;
        }
        tokio::time::sleep(REST).await;
    }

    async fn tell_one(&mut self, listener: &TcpListener) {
        drop(self.reserve.take());
        if let Ok(Ok((socket, peer))) = timeout(REST, listener.accept()).await {
            self.spell.refused += 1;
            refuse(&socket, peer).await;
        }
        self.reserve = reserve();
    }
}

fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

async fn refuse(socket: &TcpStream, peer: SocketAddr) {
    // One request that has come whole is enough: who sends more is not waited for.
    let mut request = vec![0; 16 * 1024];
    if timeout(READS, socket.readable()).await.is_ok() {
        drop(socket.try_read(&mut request));
    }
    if let Err(error) = socket.try_write(NO_ROOM) {
        tracing::debug!(%error, %peer, "a client was not told that there is no descriptor left");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{Clock, ManualClock};

    #[test]
    fn those_who_wait_are_told_after_a_second_and_the_log_once_a_minute() {
        let clock = ManualClock::default();
        let mut spell = Spell::default();
        let mut logged = 0;
        for millis in (0..120_000).step_by(20) {
            let act = spell.act(clock.now());
            assert_eq!(act, if millis < 1_000 { Act::Rest } else { Act::Tell });
            logged += usize::from(spell.is_to_be_logged(clock.now()));
            clock.advance(REST);
        }
        assert_eq!(logged, 2);
    }

    #[test]
    fn the_refusal_announces_its_own_length() {
        let text = std::str::from_utf8(NO_ROOM).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{}",
            body.len()
        );
    }
}
