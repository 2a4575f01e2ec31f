//! The end of a gateway, stage by stage, so that running calls come to theirs: who has to look, looks at the stage.
//!
//! [`Timetable`] says which stage is due when; whoever obeys the signals moves on. Nothing here ends anything itself.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;

use crate::relay::hold::HoldNotice;

/// How far a shutdown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// All is normal.
    Open,
    /// Readiness fails, so that balancers look elsewhere; all else is as ever.
    Leaving,
    /// No new connections. Those that are open get `Connection: close` with their next answer, or GOAWAY; those that
    /// are idle are closed.
    Closing,
    /// New calls, and running ones that are no streams and have no answer yet, are told `shutting_down`.
    EndingCalls,
    /// The same for all; streams that have begun get an error event. Connections close as soon as all is written.
    EndingStreams,
    /// Everything ends now.
    Ended,
}

/// The stage of one process's shutdown. It never goes back.
#[derive(Debug)]
pub struct Drain {
    /// The same as the channel's value, for those who look at it for each call.
    at: AtomicU8,
    stage: watch::Sender<Stage>,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            at: AtomicU8::new(Stage::Open as u8),
            stage: watch::Sender::new(Stage::Open),
        }
    }
}

impl Drain {
    /// Whether the shutdown has come so far.
    #[must_use]
    pub fn is_at(&self, stage: Stage) -> bool {
        self.at.load(Ordering::Relaxed) >= stage as u8
    }

    /// Moves on; a stage that has passed already changes nothing.
    pub fn advance(&self, to: Stage) {
        self.stage.send_if_modified(|stage| {
            let later = to > *stage;
            if later {
                *stage = to;
                self.at.store(to as u8, Ordering::Relaxed);
            }
            later
        });
    }

    /// Whether a call that has no answer yet is given up; one that wants a stream has as long as a stream.
    #[must_use]
    pub fn gives_up(&self, hold: &HoldNotice) -> bool {
        let stage = if hold.is_armed() {
            Stage::EndingStreams
        } else {
            Stage::EndingCalls
        };
        self.is_at(stage)
    }

    /// Ready once streams are ended. It wakes nobody: a connection polls its calls when the stage changes.
    pub(crate) async fn streams_end(&self) {
        poll_fn(|_| {
            if self.is_at(Stage::EndingStreams) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// For whoever waits for a stage.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }
}

/// Returns once the shutdown has come so far.
///
/// # Cancel safety
/// It holds nothing.
pub async fn reached(mut watch: watch::Receiver<Stage>, stage: Stage) {
    // An error means that the gateway is gone, which is an end as well.
    watch
        .wait_for(|at| *at >= stage)
        .await
        .map(drop)
        .unwrap_or_default();
}

/// When each stage of a shutdown is due, counted from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timetable {
    /// How long the listener stays open after readiness has failed. Never longer than `calls`.
    pub listener: Duration,
    /// How long calls may run.
    pub calls: Duration,
    /// How long streams may run; shorter than `calls` counts as `calls`.
    pub streams: Duration,
}

impl Timetable {
    /// The stage that is due so long after the beginning.
    #[must_use]
    pub fn due(&self, elapsed: Duration) -> Stage {
        if elapsed >= self.streams.max(self.calls) {
            Stage::EndingStreams
        } else if elapsed >= self.calls {
            Stage::EndingCalls
        } else if elapsed >= self.listener {
            Stage::Closing
        } else {
            Stage::Leaving
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_is_due_in_its_time_and_none_goes_back() {
        let secs = Duration::from_secs;
        let usual = Timetable {
            listener: secs(5),
            calls: secs(30),
            streams: secs(600),
        };
        let short = Timetable {
            streams: secs(0),
            ..usual
        };
        let cases = [
            (usual, 0, Stage::Leaving),
            (usual, 5, Stage::Closing),
            (usual, 29, Stage::Closing),
            (usual, 30, Stage::EndingCalls),
            (usual, 600, Stage::EndingStreams),
            (short, 4, Stage::Leaving),
            (short, 29, Stage::Closing),
            (short, 30, Stage::EndingStreams),
        ];
        for (timetable, elapsed, stage) in cases {
            assert_eq!(
                timetable.due(secs(elapsed)),
                stage,
                "{timetable:?} {elapsed}"
            );
        }
        let drain = Drain::default();
        drain.advance(Stage::EndingStreams);
        drain.advance(Stage::Closing);
        assert!(drain.is_at(Stage::EndingStreams) && !drain.is_at(Stage::Ended));
        assert_eq!(*drain.watch().borrow(), Stage::EndingStreams);
    }
}
