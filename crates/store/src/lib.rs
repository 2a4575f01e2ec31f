//! What outlives a call: its row for people to read, exact counts, and the callers' keys.
//!
//! Two files in one state folder: `goodgate.db` (keys, marks of what is drained; every commit reaches the disk) and `goodgate-calls.db`
//! (calls, attempts, counts, incidents; a commit may be lost with the machine's power, never with the process). A call only
//! touches [`WriteBehind`], which waits for nothing; everything else here blocks and belongs on threads that may.
//! Prompts, answers and keys in clear are never stored.

mod backend;
mod counts;
mod drains;
mod error;
mod filter;
mod folder;
mod incident;
mod keys;
mod options;
mod row;
mod sqlite;
mod write_behind;

pub use backend::Store;
pub use counts::{CountLine, Counts, Sums, Tally};
pub use drains::DrainRow;
pub use error::StoreError;
pub use filter::{Cursor, Filter, Page};
pub use folder::StateFolder;
pub use incident::{IncidentFilter, IncidentId, IncidentRow};
pub use keys::KeyRow;
pub use options::Options;
pub use row::{
    AttemptRow, CallDetails, CallRow, Certainty, Class, Kept, Loss, News, NotKept, NotTried,
    Outcome, Phases, Word,
};
pub use write_behind::WriteBehind;
