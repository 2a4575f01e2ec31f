//! Writes metrics as text: Prometheus's format 0.0.4, or OpenMetrics 1.0 where the scraper asks for it.
//!
//! Source: prometheus.io, "Exposition formats"; "OpenMetrics 1.0", prometheus/OpenMetrics; both seen 2026-11. Only
//! OpenMetrics has exemplars.

use std::fmt::Write;

use types::CallId;

use super::families::{Family, Kind};
use super::histogram::{Example, Exemplary, Histogram, Scale};

/// Which of the two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`.
    Prometheus,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
}

impl Format {
    /// The format that a scraper's `Accept` header asks for; Prometheus's own where it says nothing of the other.
    #[must_use]
    pub fn wanted(accept: Option<&str>) -> Self {
        let asks = |part: &str| {
            let mut parameters = part.split(';').map(str::trim);
            parameters.next() == Some("application/openmetrics-text")
                && !parameters.any(|parameter| parameter == "q=0")
        };
        if accept.is_some_and(|accept| accept.split(',').any(asks)) {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The text of one scrape.
#[derive(Debug)]
pub(super) struct Text {
    out: String,
    format: Format,
}

/// A number as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Whole(u64),
    Real(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self::Whole(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(number) => write!(f, "{number}"),
            Self::Real(number) => write!(f, "{number:?}"),
        }
    }
}

impl Text {
    pub(super) fn new(format: Format) -> Self {
        Self {
            out: String::with_capacity(16 * 1024),
            format,
        }
    }

    /// Begins a family. Its samples must follow before the next one begins.
    pub(super) fn family(&mut self, family: &'static Family) -> Samples<'_> {
        let counted_name = self.format == Format::Prometheus && family.kind == Kind::Counter;
        let suffix = if counted_name { "_total" } else { "" };
        let (name, kind) = (family.name, family.kind.as_str());
        self.put(format_args!("# HELP {name}{suffix} "));
        escape(&mut self.out, family.help, self.format);
        self.put(format_args!("\n# TYPE {name}{suffix} {kind}\n"));
        if self.format == Format::OpenMetrics && !family.unit.is_empty() {
            self.put(format_args!("# UNIT {name} {}\n", family.unit));
        }
        Samples { text: self, family }
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    /// Writing to a string cannot fail.
    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).unwrap_or_default();
    }
}

/// The samples of one family.
#[derive(Debug)]
pub(super) struct Samples<'a> {
    text: &'a mut Text,
    family: &'static Family,
}

impl Samples<'_> {
    /// A counter's or gauge's sample; the labels' values in the order of the family.
    pub(super) fn value(&mut self, labels: &[&str], number: impl Into<Number>) {
        self.sample(labels, number.into(), None);
    }

    /// The same, with the last call that it counted.
    pub(super) fn counted(&mut self, labels: &[&str], number: u64, last: CallId) {
        self.sample(labels, Number::Whole(number), Some((last, 1.0)));
    }

    fn sample(&mut self, labels: &[&str], number: Number, example: Option<(CallId, f64)>) {
        let suffix = if self.family.kind == Kind::Counter {
            "_total"
        } else {
            ""
        };
        self.name(suffix, labels, None);
        self.text.put(format_args!(" {number}"));
        if let Some((call, value)) = example {
            self.exemplar(call, value);
        }
        self.text.out.push('\n');
    }

    pub(super) fn histogram(&mut self, labels: &[&str], histogram: &Histogram) {
        self.buckets(labels, histogram, &[]);
    }

    pub(super) fn exemplary(&mut self, labels: &[&str], histogram: &Exemplary) {
        self.buckets(labels, &histogram.values, &histogram.examples);
    }

    fn buckets(&mut self, labels: &[&str], histogram: &Histogram, examples: &[Option<Example>]) {
        let scale: &Scale = histogram.scale;
        let limits = scale.limits().map(|limit| format!("{limit:?}"));
        let limits = limits.chain(std::iter::once("+Inf".to_owned()));
        let mut below = 0;
        for (bucket, (count, limit)) in histogram.counts.iter().zip(limits).enumerate() {
            below += count;
            self.name("_bucket", labels, Some(&limit));
            self.text.put(format_args!(" {below}"));
            if let Some(Some(example)) = examples.get(bucket) {
                self.exemplar(example.call, scale.written(example.value));
            }
            self.text.out.push('\n');
        }
        self.name("_sum", labels, None);
        let sum = scale.written(histogram.sum);
        self.text.put(format_args!(" {sum:?}\n"));
        self.name("_count", labels, None);
        self.text.put(format_args!(" {below}\n"));
    }

    fn name(&mut self, suffix: &str, values: &[&str], limit: Option<&str>) {
        debug_assert_eq!(
            values.len(),
            self.family.labels.len(),
            "{} is written with its labels",
            self.family.name
        );
        self.text.put(format_args!("{}{suffix}", self.family.name));
        let labels = self
            .family
            .labels
            .iter()
            .copied()
            .zip(values.iter().copied());
        let labels = labels.chain(limit.map(|limit| ("le", limit)));
        let mut between = '{';
        for (label, value) in labels {
            self.text.put(format_args!("{between}{label}=\""));
            escape_value(&mut self.text.out, value);
            self.text.out.push('"');
            between = ',';
        }
        if between == ',' {
            self.text.out.push('}');
        }
    }

    /// The call that stands for the others, by its id; it began when its id says.
    fn exemplar(&mut self, call: CallId, value: f64) {
        if self.text.format == Format::Prometheus {
            return;
        }
        let (id, millis) = (call.write(), call.unix_millis());
        self.text.put(format_args!(
            " # {{request_id=\"{}\"}} {value:?} {}.{:03}",
            id.as_str(),
            millis / 1_000,
            millis % 1_000
        ));
    }
}

/// Escapes a label's value.
fn escape_value(out: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

/// Escapes a help text; only OpenMetrics escapes quotes there.
fn escape(out: &mut String, help: &str, format: Format) {
    for character in help.chars() {
        match character {
            '"' if format == Format::OpenMetrics => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::metrics::histogram::SECONDS;

    static COUNTER: Family = Family {
        name: "gg_calls",
        kind: Kind::Counter,
        unit: "",
        help: "Calls, \"all\" of them.",
        labels: &["target"],
    };

    static HISTOGRAM: Family = Family {
        name: "gg_wait_seconds",
        kind: Kind::Histogram,
        unit: "seconds",
        help: "Waits.",
        labels: &[],
    };

    #[test]
    fn the_format_is_that_which_the_scraper_asks_for() {
        let check = |accept, wanted| assert_eq!(Format::wanted(accept), wanted, "{accept:?}");
        check(None, Format::Prometheus);
        check(Some("*/*"), Format::Prometheus);
        check(Some("text/plain;version=0.0.4"), Format::Prometheus);
        // What Prometheus 2.42 sends.
        check(
            Some(
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
            ),
            Format::OpenMetrics,
        );
        check(
            Some("application/openmetrics-text;q=0, text/plain"),
            Format::Prometheus,
        );
    }

    #[test]
    fn a_counter_is_named_as_each_format_wants_it() {
        let call = CallId::parse("req_01K9ZQ7V3M8T2ABCDEFGHJKMNP").unwrap();
        let write = |format| {
            let mut text = Text::new(format);
            let mut samples = text.family(&COUNTER);
            samples.value(&["a\"b\\c\nd"], 3_u64);
            samples.counted(&["x"], 4, call);
            text.finish()
        };
        assert_eq!(
            write(Format::Prometheus),
            "# HELP gg_calls_total Calls, \"all\" of them.\n# TYPE gg_calls_total counter\n\
             gg_calls_total{target=\"a\\\"b\\\\c\\nd\"} 3\ngg_calls_total{target=\"x\"} 4\n"
        );
        assert_eq!(
            write(Format::OpenMetrics),
            "# HELP gg_calls Calls, \\\"all\\\" of them.\n# TYPE gg_calls counter\n\
             gg_calls_total{target=\"a\\\"b\\\\c\\nd\"} 3\n\
             gg_calls_total{target=\"x\"} 4 # {request_id=\"req_01K9ZQ7V3M8T2ABCDEFGHJKMNP\"} 1.0 1763074894.964\n# EOF\n"
        );
    }

    #[test]
    fn buckets_are_cumulative_and_end_with_infinity() {
        let call = CallId::generate(1_790_000_000_123);
        let mut waits = Exemplary::new(&SECONDS);
        waits.observe(10_000, call);
        waits.observe(15_000, call);
        waits.observe(100_000_000, call);
        let mut text = Text::new(Format::OpenMetrics);
        text.family(&HISTOGRAM).exemplary(&[], &waits);
        let text = text.finish();
        for line in [
            format!(
                "gg_wait_seconds_bucket{{le=\"0.01\"}} 1 # {{request_id=\"{call}\"}} 0.01 1790000000.123"
            ),
            "gg_wait_seconds_bucket{le=\"0.04\"} 2".to_owned(),
            format!(
                "gg_wait_seconds_bucket{{le=\"+Inf\"}} 3 # {{request_id=\"{call}\"}} 100.0 1790000000.123"
            ),
            "gg_wait_seconds_sum 100.025".to_owned(),
            "gg_wait_seconds_count 3".to_owned(),
            "# UNIT gg_wait_seconds seconds".to_owned(),
        ] {
            assert!(
                text.lines().any(|one| one == line),
                "{line} is missing in\n{text}"
            );
        }
    }
}
