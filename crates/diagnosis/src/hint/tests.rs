#![cfg(test)]
//! Every form of a hint, as data.

use std::time::Duration;

use proptest::prelude::*;

use super::{Hint, LONGEST_HINT, read, retry_hint};

/// 2026-11-25T03:07:15Z.
const NOW: i64 = 1_795_576_035;

fn check(headers: &[(&str, &'static str)], body: &str, expected: Option<u64>) {
    let find = |name: &str| {
        headers
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| *value)
    };
    let found = retry_hint(find, Some(body.as_bytes()), NOW);
    assert_eq!(
        found,
        expected.map(Duration::from_millis),
        "{headers:?} {body}"
    );
}

#[test]
fn headers_are_read_in_their_order() {
    check(
        &[("retry-after-ms", "1500"), ("retry-after", "20")],
        "",
        Some(1500),
    );
    check(
        &[("x-ms-retry-after-ms", "250"), ("retry-after", "20")],
        "",
        Some(250),
    );
    check(
        &[("retry-after-ms", "soon"), ("retry-after", "20")],
        "",
        Some(20_000),
    );
    check(
        &[("retry-after", "20"), ("grpc-retry-pushback-ms", "7")],
        r#"{"retryDelay":"3s"}"#,
        Some(20_000),
    );
    check(
        &[("grpc-retry-pushback-ms", "7")],
        r#"{"retryDelay": "3s"}"#,
        Some(3000),
    );
    check(
        &[("grpc-retry-pushback-ms", "7")],
        "Please try again in 2s.",
        Some(7),
    );
    check(
        &[
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "9s"),
        ],
        "try again in 2s",
        Some(2000),
    );
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    for (value, expected) in [
        ("0", Some(0)),
        ("2.5", Some(2500)),
        (" 7 ", Some(7000)),
        ("-1", None),
        ("", None),
        ("soon", None),
        ("1e3", None),
        ("99999", Some(3_600_000)),
        ("1795576045", Some(10_000)),
        ("30s", Some(30_000)),
        ("Wed, 25 Nov 2026 03:07:45 GMT", Some(30_000)),
        ("Wednesday, 25-Nov-26 03:07:45 GMT", Some(30_000)),
        ("Wed Nov 25 03:07:45 2026", Some(30_000)),
        ("Wed, 25 Nov 2026 03:07:05 GMT", Some(0)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
        ("Wed, 25 Foo 2026 03:07:45 GMT", None),
        ("2026-11-25T03:07:20Z", Some(5000)),
    ] {
        check(&[("retry-after", value)], "", expected);
    }
}

#[test]
fn only_a_dimension_of_which_nothing_remains_counts() {
    let spent = [
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ];
    check(&spent, "", Some(360_000));
    let open = [
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
    ];
    check(&open, "", None);
    for (value, expected) in [
        ("120ms", Some(120)),
        ("1s", Some(1000)),
        ("1h2m", Some(3_600_000)),
        ("1m2.5s", Some(62_500)),
        ("3", Some(3000)),
        ("1795576036", Some(1000)),
        ("1795576037000", Some(2000)),
        ("2026-11-25T03:07:20Z", Some(5000)),
        ("2026-11-25T04:07:20.123+01:00", Some(5000)),
        ("2020-01-01T00:00:00Z", Some(0)),
        ("2026-11-25T03:07:20+9223372036854775807:00", None),
        ("2026-11-25T03:07:20+00:99", None),
        ("2026-13-25T03:07:20Z", None),
        ("9223372036854775807-01-01T00:00:00Z", None),
        ("s", None),
        ("1x", None),
        ("1s1m", None),
    ] {
        check(
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", value)],
            "",
            expected,
        );
    }
    let anthropic = [
        ("anthropic-ratelimit-input-tokens-remaining", "0"),
        (
            "anthropic-ratelimit-input-tokens-reset",
            "2026-11-25T03:08:15Z",
        ),
        ("anthropic-ratelimit-requests-remaining", "10"),
        ("anthropic-ratelimit-requests-reset", "2026-11-25T03:09:15Z"),
    ];
    check(&anthropic, "", Some(60_000));
}

#[test]
fn bodies_tell_it_in_details_and_in_words() {
    for (body, expected) in [
        (
            r#"{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.074824224s"}]}}"#,
            Some(34_074),
        ),
        (
            "Rate limit reached. Please try again in 1m2.5s. Visit",
            Some(62_500),
        ),
        ("Please try again in 358ms.", Some(358)),
        ("Please retry after 26 seconds.", Some(26_000)),
        ("Please retry in 41.5s.", Some(41_500)),
        ("try again in a moment", None),
        ("try again in 5 parsecs", None),
        ("try again in ", None),
    ] {
        let find = |_: &str| None;
        let found = retry_hint(find, Some(body.as_bytes()), NOW).map(|wait| wait.as_millis());
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn a_negative_pushback_means_never() {
    let find = |name: &str| (name == "grpc-retry-pushback-ms").then_some("-1");
    assert_eq!(read(find, None, NOW), Some(Hint::Never));
    assert_eq!(retry_hint(find, None, NOW), None);
}

proptest! {
    #[test]
    fn whatever_comes_nothing_panics_and_no_hint_is_longer_than_an_hour(
        value in ".{0,40}", body in any::<Vec<u8>>(), now in any::<i64>(),
    ) {
        let found = read(|_| Some(value.as_str()), Some(&body), now);
        if let Some(Hint::After(wait)) = found {
            prop_assert!(wait <= LONGEST_HINT);
        }
    }

    #[test]
    fn dates_with_any_numbers_are_read_without_overflow(n in prop::array::uniform7(any::<i64>()), sign in "[+-]") {
        let [year, month, day, hour, minute, second, zone] = n;
        for value in [
            format!("{year}-{month}-{day}T{hour}:{minute}:{second}{sign}{zone}:{zone}"),
            format!("{year}-11-25T03:07:20{sign}{zone}:00"),
            format!("Wed, {day} Nov {year} {hour}:{minute}:{second} GMT"),
            format!("Wed, {day} Nov {year} 03:07:20 GMT"),
        ] {
            let _hint = read(|_| Some(value.as_str()), None, NOW);
        }
    }

    #[test]
    fn numbers_in_any_form_are_read_without_overflow(digits in "[0-9.]{1,40}", unit in "(ms|s|m|h|d|)") {
        let value = format!("{digits}{unit}");
        let _hint = read(|_| Some(value.as_str()), None, NOW);
    }
}
