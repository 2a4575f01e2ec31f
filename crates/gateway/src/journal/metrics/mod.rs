//! Metrics, counted from closed journals: a set of numbers for each worker, added up when somebody scrapes.
//!
//! A call takes one lock, that of its own worker's set, and finds its target's numbers by the address of the target's
//! name; what callers make up never becomes a label. What is read only when scraped is in [`scrape`].

mod families;

mod histogram;

mod labels;

mod process;

pub mod scrape;

mod set;

mod text;

use std::sync::Arc;

use parking_lot::Mutex;

pub use families::reference_markdown;
pub use labels::Labels;
pub use scrape::Scraper;
pub use text::Format;

use super::{Closed, Summary};
use set::Set;

/// The numbers of one worker. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    labels: Arc<Labels>,
    set: Arc<Mutex<Set>>,
}

impl Metrics {
    /// Numbers that begin at nothing.
    #[must_use]
    pub fn new(labels: Arc<Labels>) -> Self {
        Self {
            labels,
            set: Arc::default(),
        }
    }

    /// Counts a call that is over. Calls to demo models count nowhere.
    pub(super) fn count(&self, closed: &Closed, summary: &Summary<'_>) {
        if !summary.demo {
            self.set.lock().count(closed, summary, &self.labels);
        }
    }

    /// How often each target has answered so far, but for names that nobody knows.
    pub(super) fn each_answered(&self, mut take: impl FnMut(&Arc<str>, u64)) {
        for target in self
            .set
            .lock()
            .targets
            .iter()
            .filter(|target| target.is_known())
        {
            take(&target.label.target, target.answered());
        }
    }

    fn add_to(&self, sum: &mut Set) {
        sum.absorb(&self.set.lock());
    }
}

#[cfg(test)]
mod tests;
