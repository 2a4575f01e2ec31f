//! The loops that guard upstreams.

use resilience::Mode;

use crate::guard_file::{BreakerFile, ConcurrencyFile, GuardFile};
use crate::reader::Reader;
use crate::section::Section;
use crate::text::{self, Reason};
use crate::yaml::Node;

pub(super) fn guards<'s>(reader: &'s Reader<'_>, section: &mut Section<'s, '_>) -> GuardFile {
    GuardFile {
        circuit_breaker: section
            .take("circuit_breaker")
            .map(|node| breaker(reader, node))
            .unwrap_or_default(),
        concurrency: section
            .take("concurrency")
            .map(|node| concurrency(reader, node))
            .unwrap_or_default(),
        outlier_ejection: section.value("outlier_ejection", mode),
        local_throttle: section.value("local_throttle", mode),
        provider_refusal: section.value("provider_refusal", mode),
    }
}

fn breaker(reader: &Reader<'_>, node: &Node) -> BreakerFile {
    let mut section = Section::new(
        reader,
        node,
        "`circuit_breaker`",
        "resilience.circuit_breaker",
    );
    let file = BreakerFile {
        mode: section.value("mode", mode),
        consecutive: section.number("consecutive", 1, 1_000),
        failure_rate: section.value("failure_rate", text::share),
        min_calls: section.number("min_calls", 1, 100_000),
        window: section.value("window", text::duration),
        open: section.value("open", text::duration),
        max_open: section.value("max_open", text::duration),
    };
    section.finish();
    file
}

fn concurrency(reader: &Reader<'_>, node: &Node) -> ConcurrencyFile {
    let mut section = Section::new(reader, node, "`concurrency`", "resilience.concurrency");
    let file = ConcurrencyFile {
        mode: section.value("mode", mode),
        max: section.number("max", 1, 1_000_000),
        latency: section.value("latency", mode),
    };
    section.finish();
    file
}

fn mode(text: &str) -> Result<Mode, Reason> {
    match text {
        "act" => Ok(Mode::Act),
        "shadow" => Ok(Mode::Shadow),
        "off" => Ok(Mode::Off),
        _ => Err("write act, shadow or off"),
    }
}
