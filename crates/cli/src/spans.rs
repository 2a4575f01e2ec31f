//! Spans of time and dates, as people write and read them.

use std::time::Duration;

/// Reads `500ms`, `60s`, `5m`, `2h` or `7d`.
///
/// # Errors
/// A sentence with an example.
pub(crate) fn read(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let number: Option<u64> = digits.parse().ok();
    let seconds = match unit {
        "ms" => return number.map(Duration::from_millis).ok_or_else(wrong),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number
        .and_then(|number| number.checked_mul(seconds))
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

fn wrong() -> String {
    "a span of time has a number and a unit: 500ms, 60s, 5m, 2h or 7d".to_owned()
}

/// `2026-12-20` of seconds since 1970, in UTC.
pub(crate) fn date(unix: i64) -> String {
    // Counted in years that begin in March; 400 years have 146,097 days.
    let days = unix.div_euclid(86_400) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_cycle = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_cycle + of_cycle / 4 - of_cycle / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + of_cycle + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `14:02:11` of milliseconds since 1970, in UTC.
pub(crate) fn clock(unix_millis: u64) -> String {
    let seconds = unix_millis / 1000 % 86_400;
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// `3 d`, `5 h`, `12 min`, `41 s`: as much as tells something.
pub(crate) fn rough(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `2 ms`, `812 ms`, `4.81 s`.
pub(crate) fn exact(millis: u64) -> String {
    if millis < 1000 {
        format!("{millis} ms")
    } else {
        format!("{}.{:02} s", millis / 1000, millis % 1000 / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_their_unit_and_nothing_else() {
        for (text, millis) in [
            ("500ms", 500),
            ("60s", 60_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(read(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "1.5h",
            "5 m",
            "5min",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(read(text).unwrap_err().contains("7d"), "{text}");
        }
    }

    #[test]
    fn dates_and_times_are_those_of_the_calendar() {
        for (unix, text) in [
            (0, "1970-01-01"),
            (951_825_600, "2000-02-29"),
            (1_798_761_599, "2026-12-31"),
            (-1, "1969-12-31"),
            (253_402_300_799, "9999-12-31"),
        ] {
            assert_eq!(date(unix), text);
        }
        assert_eq!(clock(1_790_000_000_000), "14:13:20");
    }

    #[test]
    fn lengths_are_told_as_far_as_they_tell() {
        assert_eq!(rough(Duration::from_secs(119)), "119 s");
        assert_eq!(rough(Duration::from_secs(3 * 86_400 + 5)), "3 d");
        assert_eq!(exact(999), "999 ms");
        assert_eq!(exact(4812), "4.81 s");
    }
}
