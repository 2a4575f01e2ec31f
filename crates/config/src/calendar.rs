//! Moments and times of the day, as they are written in windows of maintenance.

use crate::text::Reason;

/// What a moment looks like.
const MOMENT: Reason = "write a moment with its offset: 2026-12-01T02:00:00Z";
/// What a time of the day looks like.
const TIME_OF_DAY: Reason = "write a time of the day: 02:00 (UTC), or 02:00+01:00";

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// `2026-12-01T02:00:00Z`, seconds optional, `Z` or an offset required: milliseconds since 1970.
/// Source: RFC 3339, section 5.6.
pub(crate) fn moment(text: &str) -> Result<u64, Reason> {
    let (date, rest) = text.split_once(['T', 't', ' ']).ok_or(MOMENT)?;
    let day = days(date).ok_or(MOMENT)?;
    let (seconds, offset) = time(rest).ok_or(MOMENT)?;
    let offset = offset.ok_or(MOMENT)?;
    let unix = day * DAY + seconds - offset;
    u64::try_from(unix)
        .ok()
        .and_then(|unix| unix.checked_mul(1_000))
        .ok_or(MOMENT)
}

/// `02:00`, `02:00Z`, `02:00+01:00`: seconds after midnight UTC, which may be negative or past a day's end.
pub(crate) fn time_of_day(text: &str) -> Result<i64, Reason> {
    let (seconds, offset) = time(text).ok_or(TIME_OF_DAY)?;
    Ok(seconds - offset.unwrap_or(0))
}

/// Days since 1970 of `2026-12-01`.
fn days(date: &str) -> Option<i64> {
    let mut parts = date.split('-').map(digits);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    if !(1..=length_of(year, month)).contains(&day) {
        return None;
    }
    // Years are counted from March, so that the leap day comes last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let before = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5;
    Some(before + day - 1 - 719_468)
}

fn length_of(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `02:00`, `02:00:30`, `02:00:30.5`, each with or without an offset: seconds, and the offset's.
fn time(text: &str) -> Option<(i64, Option<i64>)> {
    let end = text.find(['Z', 'z', '+', '-']).unwrap_or(text.len());
    let (time, zone) = text.split_at_checked(end)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    digits(fraction)?;
    let mut parts = time.split(':').map(digits);
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    let fits = parts.next().is_none() && hours < 24 && minutes < 60 && seconds < 60;
    fits.then_some(())?;
    let offset = match zone.split_at_checked(1) {
        None => None,
        Some(("Z" | "z", "")) => Some(0),
        Some((sign @ ("+" | "-"), offset)) => {
            let (hours, minutes) = offset.split_once(':')?;
            let (hours, minutes) = (digits(hours)?, digits(minutes)?);
            (hours < 24 && minutes < 60).then_some(())?;
            let seconds = hours * 3_600 + minutes * 60;
            Some(if sign == "-" { -seconds } else { seconds })
        }
        Some(_) => return None,
    };
    Some((hours * 3_600 + minutes * 60 + seconds, offset))
}

/// A few digits and nothing else.
fn digits(text: &str) -> Option<i64> {
    let plain = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_have_an_offset_and_exist() {
        for (text, unix) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-25T03:07:15Z", 1_795_576_035),
            ("2026-11-25T03:07:15.25z", 1_795_576_035),
            ("2026-11-25 04:07:15+01:00", 1_795_576_035),
            ("2026-11-24T22:37:15-04:30", 1_795_576_035),
            ("2028-02-29T00:00Z", 1_835_395_200),
        ] {
            assert_eq!(moment(text), Ok(unix * 1_000), "{text}");
        }
        for text in [
            "",
            "2026-11-25",
            "2026-11-25T03:07:15",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-25T24:00:00Z",
            "2026-11-25T03:07:15+1:00x",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "2026-11-25T03:07:15Zulu",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_of_the_day_are_utc_unless_they_say_otherwise() {
        assert_eq!(time_of_day("02:00"), Ok(7_200));
        assert_eq!(time_of_day("02:00Z"), Ok(7_200));
        assert_eq!(time_of_day("02:00+05:30"), Ok(7_200 - 19_800));
        assert_eq!(time_of_day("23:30-01:00"), Ok(88_200));
        for text in ["", "2", "24:00", "02:60", "noon", "02:00 CET", "02:00+1"] {
            assert!(time_of_day(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_nothing_panics(text in ".{0,40}") {
            let _read = (moment(&text), time_of_day(&text));
        }

        #[test]
        fn dates_of_any_numbers_do_not_overflow(numbers in prop::array::uniform6(any::<i64>())) {
            let [year, month, day, hour, minute, second] = numbers;
            let _read = moment(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"));
        }
    }
}
