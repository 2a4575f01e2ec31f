//! Failures in a row, and whose.

use super::window::Callers;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    pub(super) count: u32,
    pub(super) callers: Callers,
}

impl Row {
    pub(super) fn add(&mut self, caller: u64) {
        self.count = self.count.saturating_add(1);
        self.callers = self.callers.with(caller);
    }
}
