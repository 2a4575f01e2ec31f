//! How the store is to behave; the defaults suit a laptop and a server alike.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The file with the keys; that with the calls lies beside it as `<name>-calls.db`. Default: `goodgate.db` in the
    /// state folder.
    pub file: Option<PathBuf>,
    /// Rows a second that each class of calls may keep in the long run, with a second's worth at once. Default 2,000.
    pub rows_per_second: u32,
    /// Rows that may wait for the writer; more are counted and dropped. Default 65,536.
    pub queue_rows: usize,
    /// Bytes that those rows may hold, roughly. Default 64 MiB.
    pub queue_bytes: usize,
    /// How long a row may wait for others to be committed with it. Default 100 ms.
    pub commit_every: Duration,
    /// How long rows are kept. Default 30 days.
    pub retain: Duration,
    /// What the calls' file may hold; older rows go first. Default 8 GiB.
    pub max_bytes: u64,
    /// Connections for readers. Default 4.
    pub readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            file: None,
            rows_per_second: 2_000,
            queue_rows: 65_536,
            queue_bytes: 64 << 20,
            commit_every: Duration::from_millis(100),
            retain: Duration::from_secs(30 * 86_400),
            max_bytes: 8 << 30,
            readers: 4,
        }
    }
}
