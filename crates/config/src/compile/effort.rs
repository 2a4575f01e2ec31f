//! How hard is tried: the narrowest that says something wins.

use std::time::Duration;

use crate::file::{At, Effort, RetryFile, TimeoutFile};
use crate::reader::Reader;
use crate::snapshot::{Resilience, Timeouts};
use crate::text;

/// The total where no configuration says otherwise, for whole answers.
const USUAL_TOTAL: Duration = Duration::from_secs(300);
/// The same for streams.
const USUAL_STREAM: Duration = Duration::from_secs(600);

/// `base`, with what `written` says.
pub(super) fn resolved(reader: &Reader<'_>, written: &Effort, base: &Resilience) -> Resilience {
    let mut effort = base.clone();
    effort.timeout = timeouts(&written.timeout, &base.timeout);
    retry(reader, &written.retry, &mut effort);
    if let Some(except) = &written.retry_except {
        effort.retry_except = except.iter().map(|one| one.value).collect();
    }
    if let Some(hold) = &written.hold {
        effort.hold = hold.value;
    }
    let most = Duration::from_secs(600);
    let hold_for = written.hold_for.as_ref();
    if let Some(hold_for) = super::within(reader, hold_for, Duration::ZERO, most, "0s to 600s") {
        effort.hold_for = hold_for;
    }
    check_deadline(reader, written, &effort);
    effort
}

/// `base`, with the timers that `written` has.
pub(super) fn timeouts(written: &TimeoutFile, base: &Timeouts) -> Timeouts {
    let of = |at: &Option<At<Duration>>| at.as_ref().map(|at| at.value);
    Timeouts {
        dns: of(&written.dns).unwrap_or(base.dns),
        connect: of(&written.connect).unwrap_or(base.connect),
        tls: of(&written.tls).unwrap_or(base.tls),
        write: of(&written.write).unwrap_or(base.write),
        response_header: of(&written.response_header).or(base.response_header),
        first_token: of(&written.first_token).or(base.first_token),
        idle: of(&written.idle).or(base.idle),
        total: of(&written.total).or(base.total),
    }
}

pub(super) fn retry(reader: &Reader<'_>, written: &RetryFile, effort: &mut Resilience) {
    if let Some(attempts) = &written.max_attempts {
        effort.max_attempts = attempts.value;
    }
    if let Some(targets) = &written.max_targets {
        effort.max_targets = targets.value;
    }
    if let Some(obeys) = &written.respect_retry_after {
        effort.respect_retry_after = obeys.value;
    }
    if let Some(budget) = &written.budget {
        effort.retry_budget = budget.value;
    }
    let hour = Duration::from_secs(3_600);
    let bound = |at| super::within(reader, at, Duration::ZERO, hour, "0s to 1h");
    if let Some(initial) = bound(written.backoff.initial.as_ref()) {
        effort.backoff.initial = initial;
    }
    if let Some(max) = bound(written.backoff.max.as_ref()) {
        effort.backoff.max = max;
    }
    if effort.backoff.initial > effort.backoff.max
        && let Some(at) = written
            .backoff
            .max
            .as_ref()
            .or(written.backoff.initial.as_ref())
    {
        reader
            .error(
                "out_of_range",
                &at.spot,
                "backoff.initial is longer than backoff.max",
            )
            .label(format!(
                "initial is {}, max is {}",
                text::show(effort.backoff.initial),
                text::show(effort.backoff.max)
            ));
    }
}

/// Warns when one attempt may use up the time of all. Only what is written here is blamed.
fn check_deadline(reader: &Reader<'_>, written: &Effort, effort: &Resilience) {
    let timers = [
        (
            "response_header",
            &written.timeout.response_header,
            effort.timeout.response_header,
            USUAL_TOTAL,
        ),
        (
            "first_token",
            &written.timeout.first_token,
            effort.timeout.first_token,
            USUAL_STREAM,
        ),
    ];
    for (name, at, value, usual) in timers {
        let total = effort.timeout.total.unwrap_or(usual);
        if effort.max_attempts < 2 || value.is_none_or(|value| value < total) {
            continue;
        }
        let at = at.as_ref().or(written.timeout.total.as_ref());
        let Some(at) = at else {
            continue;
        };
        let attempts = effort.max_attempts;
        // A quarter more than the timers, for connecting and waits.
        let room = total * 4 / 5 / attempts.min(3);
        reader
            .warning(
                "attempts_exceed_deadline",
                &at.spot,
                "attempts cannot fit in the deadline",
            )
            .label(format!(
                "one attempt may use all {}, so `max_attempts: {attempts}` never happens",
                text::show(total)
            ))
            .help(format!(
                "{name}: {} leaves room for {} attempts",
                text::show(Duration::from_secs(room.as_secs().max(1))),
                attempts.min(3)
            ));
        return;
    }
}
