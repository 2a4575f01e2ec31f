//! Planned windows: once, or every day or week.

use std::time::Duration;

use crate::calendar::DAY;
use crate::file::{MaintenanceFile, ProviderFile, Recurrence};
use crate::reader::Reader;
use crate::snapshot::{Maintenance, Window};

/// 1970 began on a Thursday: days after a Monday.
const FIRST_DAY: i64 = 3;

pub(super) fn compile(reader: &Reader<'_>, file: &ProviderFile) -> Vec<Maintenance> {
    let windows = file.maintenance.iter().flatten();
    windows
        .filter_map(|written| {
            Some(Maintenance {
                window: window(reader, written)?,
                reason: written.reason.as_ref().map(|reason| reason.value.clone()),
            })
        })
        .collect()
}

fn window(reader: &Reader<'_>, written: &MaintenanceFile) -> Option<Window> {
    let wrong = |label: &str| {
        reader
            .error("bad_window", &written.spot, "this window cannot be used")
            .label(label);
    };
    match (
        (&written.start, &written.end),
        (&written.every, &written.at, &written.length),
    ) {
        ((Some(start), Some(end)), (None, None, None)) => {
            if end.value <= start.value {
                wrong("its end is not after its start");
                return None;
            }
            Some(Window::Once {
                start: start.value,
                end: end.value,
            })
        }
        ((None, None), (Some(every), Some(at), Some(length))) => {
            let window = recurring(every.value, at.value, length.value);
            if window.is_none() {
                wrong("it lasts as long as from one to the next: `for` is 1s to less than that");
            }
            window
        }
        // What could not be read was told already, and is not missing besides.
        _ if written.has_unreadable => None,
        _ => {
            wrong("write  { start: …, end: … }  or  { every: sunday, at: 02:00, for: 2h }");
            None
        }
    }
}

fn recurring(every: Recurrence, at: i64, length: Duration) -> Option<Window> {
    let (days, day) = match every {
        Recurrence::Day => (1, 0),
        Recurrence::Week(day) => (7, i64::from(day) - FIRST_DAY),
    };
    let period = days * DAY;
    let first = (day * DAY + at).rem_euclid(period);
    let millis = |seconds: i64| u64::try_from(seconds).ok()?.checked_mul(1_000);
    let (period, first) = (millis(period)?, millis(first)?);
    let length = u64::try_from(length.as_millis()).ok()?;
    (1_000..period).contains(&length).then_some(Window::Every {
        period,
        first,
        length,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weekly_window_is_on_its_day() {
        let window = recurring(Recurrence::Week(6), 2 * 3_600, Duration::from_secs(7_200)).unwrap();
        // 2026-11-29 is a Sunday.
        let midnight = crate::calendar::moment("2026-11-29T00:00:00Z").unwrap();
        let hour = 3_600_000;
        for (hours, until) in [(0, None), (2, Some(4)), (3, Some(4)), (4, None), (26, None)] {
            let until = until.map(|until| midnight + until * hour);
            assert_eq!(window.until(midnight + hours * hour), until, "{hours}");
        }
    }

    #[test]
    fn an_offset_may_move_a_window_to_the_day_before() {
        let at = crate::calendar::time_of_day("01:00+02:00").unwrap();
        let window = recurring(Recurrence::Week(0), at, Duration::from_secs(3_600)).unwrap();
        // Monday, 01:00 in Kyiv, is Sunday, 23:00 in UTC.
        let start = crate::calendar::moment("2026-11-29T23:00:00Z").unwrap();
        assert_eq!(window.until(start), Some(start + 3_600_000));
        assert_eq!(window.until(start - 1), None);
    }

    #[test]
    fn a_window_is_shorter_than_its_period() {
        assert!(recurring(Recurrence::Day, 0, Duration::from_secs(86_400)).is_none());
        assert!(recurring(Recurrence::Day, 0, Duration::ZERO).is_none());
        assert!(recurring(Recurrence::Day, 0, Duration::from_secs(86_399)).is_some());
    }
}
