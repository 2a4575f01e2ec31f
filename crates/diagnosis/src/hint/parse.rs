//! The forms in which servers write a duration or a moment.

use std::time::Duration;

/// Bare numbers above this are moments and not durations; above a hundred times as much they count milliseconds.
const SMALLEST_EPOCH: f64 = 1e9;
const SMALLEST_EPOCH_MILLIS: f64 = 1e11;

/// A count of milliseconds, decimals tolerated.
pub(super) fn milliseconds(value: &str) -> Option<Duration> {
    seconds(number(value)? / 1000.0)
}

/// `Retry-After`: seconds, decimals tolerated, or a date. Source: RFC 9110, sections 10.2.3 and 5.6.7.
pub(super) fn retry_after(value: &str, now_unix: i64) -> Option<Duration> {
    bare(value, now_unix)
        .or_else(|| units(value))
        .or_else(|| until(http_date(value)?, now_unix))
        .or_else(|| until(rfc_3339(value)?, now_unix))
}

/// A whole number of seconds and nothing else.
pub(super) fn seconds_of(value: &str) -> Option<Duration> {
    let seconds: u64 = value.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A limit's reset: `120ms`, `6m0s`, a bare number, or RFC 3339.
pub(super) fn reset(value: &str, now_unix: i64) -> Option<Duration> {
    bare(value, now_unix)
        .or_else(|| units(value))
        .or_else(|| until(rfc_3339(value)?, now_unix))
}

/// A bare number: seconds, or a moment.
fn bare(value: &str, now_unix: i64) -> Option<Duration> {
    let value = number(value)?;
    if value >= SMALLEST_EPOCH_MILLIS {
        return moment(value / 1000.0, now_unix);
    }
    if value >= SMALLEST_EPOCH {
        moment(value, now_unix)
    } else {
        seconds(value)
    }
}

/// `120ms`, `1s`, `6m0s`, `1h2m`, `1m2.5s`: each unit at most once, from large to small.
pub(super) fn units(value: &str) -> Option<Duration> {
    let mut rest = value.trim();
    let mut total = 0.0;
    let mut last_unit = f64::INFINITY;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (count, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let unit = unit_seconds(unit)?;
        if unit >= last_unit {
            return None;
        }
        last_unit = unit;
        total += number(count)? * unit;
        rest = after;
    }
    (last_unit.is_finite()).then(|| seconds(total)).flatten()
}

/// A duration at the start of a sentence's rest: `20s. Visit`, `26 seconds.`, `1m2.5s`, `1 minute and 20 seconds`.
pub(super) fn spoken(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total: Option<Duration> = None;
    while let Some((part, after)) = spoken_part(rest) {
        total = Some(total.unwrap_or_default().saturating_add(part));
        let after = after.trim_start_matches([' ', ',']);
        rest = after.strip_prefix("and ").unwrap_or(after);
    }
    total
}

fn spoken_part(text: &str) -> Option<(Duration, &str)> {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '.'))
        .unwrap_or(text.len());
    let (first, rest) = text.split_at(end);
    let first = first.trim_end_matches('.');
    if let Some(count) = number(first) {
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        let end = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(end);
        let part = seconds(count * unit_seconds(&unit.to_ascii_lowercase())?)?;
        return Some((part, rest));
    }
    Some((units(first)?, rest))
}

fn unit_seconds(unit: &str) -> Option<f64> {
    match unit {
        "ms" | "milliseconds" | "millisecond" => Some(0.001),
        "s" | "sec" | "secs" | "second" | "seconds" => Some(1.0),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(60.0),
        "h" | "hour" | "hours" => Some(3600.0),
        "d" | "day" | "days" => Some(86_400.0),
        _ => None,
    }
}

/// A number without sign, exponent or words.
fn number(value: &str) -> Option<f64> {
    let value = value.trim();
    let plain = !value.is_empty() && value.chars().all(|c| c.is_ascii_digit() || c == '.');
    plain.then(|| value.parse().ok()).flatten()
}

fn seconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value).ok()
}

/// The time until a moment; nothing if it has passed.
fn until(moment_unix: i64, now_unix: i64) -> Option<Duration> {
    let left = moment_unix.saturating_sub(now_unix).max(0);
    u64::try_from(left).ok().map(Duration::from_secs)
}

fn moment(unix: f64, now_unix: i64) -> Option<Duration> {
    let whole = seconds(unix)?;
    let now = Duration::from_secs(u64::try_from(now_unix).unwrap_or(0));
    Some(whole.saturating_sub(now))
}

/// A date of HTTP in seconds since 1970, in any of its three forms:
/// `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`.
#[must_use]
pub fn http_date(value: &str) -> Option<i64> {
    let words: Vec<&str> = value
        .split([' ', ',', '-'])
        .filter(|word| !word.is_empty())
        .collect();
    let (day, month, year, time) = match words.as_slice() {
        [_, day, month, year, time, "GMT"] => (day, month, year, time),
        [_, month, day, time, year] => (day, month, year, time),
        _ => return None,
    };
    let year: i64 = year.parse().ok()?;
    // Two digits are the nearer century: RFC 9110, section 5.6.7.
    let year = if year >= 100 {
        year
    } else if year < 70 {
        year + 2000
    } else {
        year + 1900
    };
    let names = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = names.iter().position(|name| name == month)?;
    unix(
        year,
        i64::try_from(month).ok()? + 1,
        day.parse().ok()?,
        clock(time)?,
    )
}

/// `2026-11-25T03:07:15Z`, with decimals or an offset.
fn rfc_3339(value: &str) -> Option<i64> {
    let (date, time) = value.trim().split_once(['T', 't', ' '])?;
    let [year, month, day] = three(date, '-')?;
    let at = time.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at(at);
    let time = time.split('.').next()?;
    let offset = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign, offset) => {
            let (hours, minutes) = offset.split_once(':')?;
            let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
            if !((0..24).contains(&hours) && (0..60).contains(&minutes)) {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            if sign == "-" { -seconds } else { seconds }
        }
    };
    Some(unix(year, month, day, clock(time)?)? - offset)
}

/// `08:49:37` as seconds.
fn clock(time: &str) -> Option<i64> {
    let [hours, minutes, seconds] = three(time, ':')?;
    let fits =
        (0..24).contains(&hours) && (0..60).contains(&minutes) && (0..=60).contains(&seconds);
    fits.then(|| hours * 3600 + minutes * 60 + seconds)
}

fn three(text: &str, between: char) -> Option<[i64; 3]> {
    let mut parts = text.split(between).map(|part| part.parse::<i64>().ok());
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

/// Seconds since 1970 of a date in the Gregorian calendar.
fn unix(year: i64, month: i64, day: i64, seconds: i64) -> Option<i64> {
    if !((1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)) {
        return None;
    }
    // Years are counted from March, so that the leap day comes last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some((days - 719_468) * 86_400 + seconds)
}
