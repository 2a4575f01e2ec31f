//! The store in SQLite: one writer thread, a few readers, two files.

mod calls;
mod columns;
mod counts;
mod drains;
mod housekeeping;
pub(crate) mod incidents;
mod keys;
mod open;
mod readers;
mod search;
mod writer;

pub(crate) use calls::get;
pub(crate) use counts::{lines, not_kept};
pub(crate) use drains::Drains;
pub(crate) use keys::Keys;
pub(crate) use open::{calls_file, governance_file};
pub(crate) use readers::Readers;
pub(crate) use search::{Search, recent};
pub(crate) use writer::Writer;
