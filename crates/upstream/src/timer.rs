//! One timer per call, armed only when the socket makes us wait and moved on from phase to phase.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use diagnosis::{Fault, LimitFired};
use tokio::time::{Sleep, sleep_until};
use types::Deadline;

/// What is waited for; each has its own limit and its own fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Dns,
    Connect,
    Tls,
    Write,
    Head,
    Idle,
}

impl Wait {
    /// The limit's name, as configuration and evidence have it.
    fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Write => "write",
            Self::Head => "response_header",
            Self::Idle => "idle",
        }
    }

    fn fault(self) -> Fault {
        match self {
            Self::Dns => Fault::DnsTimeout,
            Self::Connect => Fault::ConnectTimeout,
            Self::Tls => Fault::TlsTimeout,
            Self::Write => Fault::WriteTimeout,
            Self::Head => Fault::HeaderTimeout,
            Self::Idle => Fault::IdleTimeout,
        }
    }
}

/// A limit on one wait, already capped by the call's deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) at: Instant,
    wait: Option<Wait>,
    value: Duration,
}

impl Limit {
    /// `value` from `now`; where the deadline is earlier, that is what fires.
    pub(crate) fn new(wait: Wait, value: Duration, now: Instant, deadline: Deadline) -> Self {
        let own = now.checked_add(value).unwrap_or_else(|| deadline.at());
        if deadline.at() < own {
            return Self::of_the_call(now, deadline);
        }
        Self {
            at: own,
            wait: Some(wait),
            value,
        }
    }

    /// Nothing but the call's deadline.
    pub(crate) fn of_the_call(now: Instant, deadline: Deadline) -> Self {
        Self {
            at: deadline.at(),
            wait: None,
            value: deadline.left(now),
        }
    }

    /// Whether it is the call's deadline that comes first.
    pub(crate) fn is_deadline(self) -> bool {
        self.wait.is_none()
    }

    pub(crate) fn fired(self) -> (Fault, LimitFired) {
        let name = self.wait.map_or("total", Wait::name);
        let fault = self.wait.map_or(Fault::Deadline, Wait::fault);
        (
            fault,
            LimitFired {
                name,
                value: self.value,
            },
        )
    }
}

/// The timer itself; nothing is registered with the runtime before the first wait. It stays with its connection, since each
/// call's limit is mostly later than the one before: moving it there takes no lock, making and dropping one takes two.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

/// Sets the timer; moving it to a later time takes no lock.
pub(crate) fn arm(timer: &mut Timer, at: Instant) {
    let at = tokio::time::Instant::from_std(at);
    match &mut timer.0 {
        Some(sleep) => sleep.as_mut().reset(at),
        None => timer.0 = Some(Box::pin(sleep_until(at))),
    }
}

/// Whether the timer has run out; registers for waking otherwise.
pub(crate) fn poll(timer: &mut Timer, cx: &mut Context<'_>) -> Poll<()> {
    match &mut timer.0 {
        Some(sleep) => sleep.as_mut().poll(cx),
        None => Poll::Pending,
    }
}

/// Runs `future` until `at`; `None` when time ran out first.
///
/// # Cancel safety
/// As safe as `future`: it is dropped when time runs out.
pub(crate) async fn within<F: Future>(
    timer: &mut Timer,
    at: Instant,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut armed = false;
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if !armed {
            arm(timer, at);
            armed = true;
        }
        poll(timer, cx).map(|()| None)
    })
    .await
}
