//! The value of `Date`, written by the worker's beat and read by its answers.

use std::fmt::Write;

use parking_lot::Mutex;

/// The date as it was last written; one per worker, so that the lock is uncontended.
#[derive(Debug)]
pub struct Dates {
    last: Mutex<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    second: u64,
    text: [u8; 29],
}

impl Dates {
    /// With the date of a moment.
    #[must_use]
    pub fn new(unix_millis: u64) -> Self {
        let second = unix_millis / 1000;
        let text = written(second);
        Self {
            last: Mutex::new(Last { second, text }),
        }
    }

    /// Takes note of the time, a few times a second.
    pub(super) fn beat(&self, unix_millis: u64) {
        let second = unix_millis / 1000;
        let mut last = self.last.lock();
        if last.second != second {
            let text = written(second);
            *last = Last { second, text };
        }
    }

    /// The date in the form of RFC 9110, 5.6.7.
    pub(super) fn now(&self) -> [u8; 29] {
        self.last.lock().text
    }
}

fn written(second: u64) -> [u8; 29] {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (days, clock) = (second / 86_400, second % 86_400);
    let (year, month, day) = civil(days);
    let weekday = usize::try_from(days % 7).ok().and_then(|n| DAYS.get(n));
    let month = month.checked_sub(1).and_then(|n| MONTHS.get(n));
    let mut text = String::with_capacity(32);
    write!(
        text,
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        weekday.unwrap_or(&"Thu"),
        month.unwrap_or(&"Jan"),
        clock / 3600,
        clock / 60 % 60,
        clock % 60
    )
    .unwrap_or_default();
    text.as_bytes()
        .first_chunk()
        .copied()
        .unwrap_or(*b"Thu, 01 Jan 1970 00:00:00 GMT")
}

/// Year, month and day of a day since 1970: years begin in March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, usize, u64) {
    let day = days + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year + era * 400 + u64::from(month <= 2);
    (
        year,
        usize::try_from(month).unwrap_or(1),
        of_year - (153 * shifted + 2) / 5 + 1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_http_has_them() {
        for (second, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(Dates::new(second * 1000).now(), text.as_bytes());
            let dates = Dates::new(5000);
            dates.beat(second * 1000 + 999);
            assert_eq!(dates.now(), text.as_bytes());
        }
    }
}
