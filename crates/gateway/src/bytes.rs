//! The byte budget: everything that is buffered for calls comes out of one sum, so that memory has a bound.
//!
//! A caller holds at most a quarter of it. When it is used up a call is refused before its body is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The sum from which buffers are taken.
#[derive(Debug)]
pub struct ByteBudget {
    limit: u64,
    held: AtomicU64,
}

/// How much one caller holds.
pub type CallerBytes = Arc<AtomicU64>;

/// So many bytes of the budget; given back when dropped.
#[derive(Debug)]
pub struct HeldBytes {
    budget: Arc<ByteBudget>,
    caller: CallerBytes,
    amount: u64,
}

impl ByteBudget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            limit,
            held: AtomicU64::new(0),
        })
    }

    /// Bytes that are out at the moment.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// The most that may be out.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes nothing yet; [`HeldBytes::grow`] takes.
    #[must_use]
    pub fn open(self: &Arc<Self>, caller: &CallerBytes) -> HeldBytes {
        HeldBytes {
            budget: Arc::clone(self),
            caller: Arc::clone(caller),
            amount: 0,
        }
    }
}

impl HeldBytes {
    /// Takes `more` bytes; false, and nothing taken, when the budget or the caller's quarter of it would be exceeded.
    #[must_use]
    pub fn grow(&mut self, more: u64) -> bool {
        // Invariant: never over the limit, so the sum is checked before it is stored.
        let within =
            |limit: u64| move |held: u64| held.checked_add(more).filter(|sum| *sum <= limit);
        let order = Ordering::Relaxed;
        if self
            .caller
            .fetch_update(order, order, within(self.budget.limit / 4))
            .is_err()
        {
            return false;
        }
        if self
            .budget
            .held
            .fetch_update(order, order, within(self.budget.limit))
            .is_err()
        {
            self.caller.fetch_sub(more, order);
            return false;
        }
        self.amount = self.amount.saturating_add(more);
        true
    }

    /// Another guard of the same caller, which holds nothing yet.
    #[must_use]
    pub fn beside(&self) -> Self {
        self.budget.open(&self.caller)
    }

    /// Gives all of it back before the guard goes.
    pub fn release(&mut self) {
        let amount = std::mem::take(&mut self.amount);
        self.budget.held.fetch_sub(amount, Ordering::Relaxed);
        self.caller.fetch_sub(amount, Ordering::Relaxed);
    }

    /// Bytes held by this guard.
    #[must_use]
    pub fn amount(&self) -> u64 {
        self.amount
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.release();
    }
}

/// A quarter of the memory this process may use.
#[must_use]
pub fn default_limit() -> u64 {
    memory_limit() / 4
}

/// The memory this process may use: its cgroup's limit where there is one, else all of the machine.
#[must_use]
pub fn memory_limit() -> u64 {
    const FALLBACK: u64 = 1 << 30;
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let cgroup = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse::<u64>().ok());
    let machine = read("/proc/meminfo").and_then(|text| kibibytes(&text, "MemTotal:"));
    match (cgroup, machine) {
        (Some(a), Some(b)) => a.min(b),
        (Some(a), None) | (None, Some(a)) => a,
        (None, None) => FALLBACK,
    }
}

/// A line of proc(5) such as `MemTotal:  16316412 kB`, in bytes.
pub(crate) fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    number.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(caller: &CallerBytes) -> u64 {
        caller.load(Ordering::Relaxed)
    }

    #[test]
    fn one_caller_gets_at_most_a_quarter() {
        let budget = ByteBudget::new(100);
        let caller = CallerBytes::default();
        let mut first = budget.open(&caller);
        assert!(first.grow(20));
        assert!(!first.grow(6));
        assert!(first.grow(5));
        assert_eq!((budget.held(), held(&caller)), (25, 25));
    }

    #[test]
    fn a_full_budget_refuses_and_what_is_dropped_comes_back() {
        let budget = ByteBudget::new(100);
        let mut holders = Vec::new();
        for _ in 0..4 {
            let mut bytes = budget.open(&CallerBytes::default());
            assert!(bytes.grow(25));
            holders.push(bytes);
        }
        let caller = CallerBytes::default();
        let mut late = budget.open(&caller);
        assert!(!late.grow(1));
        assert_eq!(
            held(&caller),
            0,
            "a refused byte is not charged to the caller"
        );
        holders.pop();
        assert!(late.grow(25));
        drop(holders);
        drop(late);
        assert_eq!(budget.held(), 0);
    }
}
