//! Where tasks start: each has a name, is counted, is awaited at shutdown, and its panic is reported.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The tasks of one runtime.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    ended: Notify,
}

/// Counts a task down however it ends.
struct Running {
    name: &'static str,
    shared: Arc<Shared>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(task = self.name, "a task panicked");
        }
        if self.shared.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.ended.notify_waiters();
        }
    }
}

impl Tasks {
    /// Starts a task on the current runtime.
    #[expect(clippy::disallowed_methods, reason = "the one place where tasks start")]
    pub fn spawn<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.shared.running.fetch_add(1, Ordering::AcqRel);
        let running = Running {
            name,
            shared: Arc::clone(&self.shared),
        };
        drop(tokio::spawn(async move {
            let _running = running;
            work.await;
        }));
    }

    /// How many run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared.running.load(Ordering::Acquire)
    }

    /// Waits until none runs.
    ///
    /// # Cancel safety
    /// Nothing is held; it may be dropped at any time.
    pub async fn ended(&self) {
        loop {
            let ended = self.shared.ended.notified();
            if self.running() == 0 {
                return;
            }
            ended.await;
        }
    }
}
