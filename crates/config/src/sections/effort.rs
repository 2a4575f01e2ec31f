//! Aliases, and how hard is tried.

use provider::{Code, Group};
use resilience::balance::Strategy;

use crate::file::{
    At, BackoffFile, Effort, ModelFile, RetryFile, TargetFile, TimeoutFile, WeightedTarget,
};
use crate::reader::Reader;
use crate::section::Section;
use crate::snapshot::{Exception, Hold};
use crate::text;
use crate::yaml::{Node, Value};

pub(super) fn model(reader: &Reader<'_>, name: &str, node: &Node) -> ModelFile {
    let what = format!("model `{name}`");
    let mut section = Section::new(reader, node, what, "models.<name>");
    let file = ModelFile {
        has_targets: section.is_written("targets"),
        targets: section.take("targets").and_then(|node| {
            let wanted = "a list: [provider/model, provider/model]";
            reader.list(node, wanted, |node| target(reader, node))
        }),
        strategy: section.value("strategy", |text| {
            Strategy::parse(text).ok_or("write ordered, weighted, least_busy, fastest or cheapest")
        }),
        sticky: section.value("sticky", |text| match text {
            "conversation" => Ok(()),
            _ => Err("write conversation"),
        }),
        max_cache_loss: section.value("max_cache_loss", text::dollars),
        effort: effort(reader, &mut section),
    };
    section.finish();
    file
}

/// `provider/model`, or a mapping with its weight.
fn target(reader: &Reader<'_>, node: &Node) -> Option<TargetFile> {
    let Value::Map(_) = node.value else {
        return Some(TargetFile {
            at: reader.scalar(node, "provider/model")?,
            weight: None,
        });
    };
    let mut section = Section::new(reader, node, "a target", "models.<name>.targets[]");
    let is_named = section.is_written("target");
    let written = WeightedTarget {
        target: section.text("target"),
        weight: section.number("weight", 0, 1_000_000),
    };
    section.finish();
    if !is_named {
        reader
            .error("missing_key", &node.spot, "this target has no target")
            .label("write  { target: provider/model, weight: 3 }");
    }
    Some(TargetFile {
        at: written.target?,
        weight: written.weight,
    })
}

pub(super) fn effort<'s>(reader: &'s Reader<'_>, section: &mut Section<'s, '_>) -> Effort {
    Effort {
        timeout: section
            .take("timeout")
            .map(|node| timeout(reader, node, "timeout"))
            .unwrap_or_default(),
        retry: section
            .take("retry")
            .map(|node| {
                let mut section = Section::new(reader, node, "`retry`", "resilience.retry");
                let retry = retry(reader, &mut section);
                section.finish();
                retry
            })
            .unwrap_or_default(),
        retry_except: section.take("retry_except").and_then(|node| {
            reader.list(node, "a list of codes or groups", |node| {
                exception(reader, node)
            })
        }),
        hold: section.value("hold", hold),
        hold_for: section.value("hold_for", text::duration),
    }
}

pub(super) fn hold(text: &str) -> Result<Hold, &'static str> {
    match text {
        "first_content" => Ok(Hold::FirstContent),
        "whole" => Ok(Hold::Whole),
        _ => Err("write first_content or whole"),
    }
}

fn exception(reader: &Reader<'_>, node: &Node) -> Option<At<Exception>> {
    let word = reader.scalar(node, "a code or a group")?;
    let found = Code::parse(&word.value)
        .map(Exception::Code)
        .or_else(|| Group::parse(&word.value).map(Exception::Group));
    match found {
        Some(value) => Some(At {
            value,
            spot: word.spot,
        }),
        None => {
            let known = Code::ALL
                .iter()
                .map(|code| code.as_str())
                .chain(Group::ALL.iter().map(|group| group.as_str()));
            reader
                .error(
                    "unknown_code",
                    &word.spot,
                    format!("`{}` is no code and no group", text::masked(&word.value)),
                )
                .label("failures are named as in `goodgate explain`")
                .near(&word.value, known);
            None
        }
    }
}

pub(super) fn timeout(reader: &Reader<'_>, node: &Node, path: &'static str) -> TimeoutFile {
    let mut section = Section::new(reader, node, "`timeout`", path);
    let mut timer = |key: &'static str| {
        let read = section.value(key, text::duration)?;
        if read.value.is_zero() || read.value > MAX_TIMER {
            let message = format!("{} is out of range", text::show(read.value));
            reader
                .error("out_of_range", &read.spot, message)
                .label(format!("{key} is 1ms to 24h"));
            return None;
        }
        Some(read)
    };
    let file = TimeoutFile {
        dns: timer("dns"),
        connect: timer("connect"),
        tls: timer("tls"),
        write: timer("write"),
        response_header: timer("response_header"),
        first_token: timer("first_token"),
        idle: timer("idle"),
        total: timer("total"),
    };
    section.finish();
    file
}

/// No timer is longer than a day.
const MAX_TIMER: std::time::Duration = std::time::Duration::from_secs(86_400);

pub(super) fn retry<'s>(reader: &'s Reader<'_>, section: &mut Section<'s, '_>) -> RetryFile {
    RetryFile {
        max_attempts: section.number("max_attempts", 1, 20),
        max_targets: section.number("max_targets", 1, 20),
        backoff: section
            .take("backoff")
            .map(|node| backoff(reader, node))
            .unwrap_or_default(),
        respect_retry_after: section.value("respect_retry_after", text::boolean),
        budget: section.value("budget", text::share),
    }
}

fn backoff(reader: &Reader<'_>, node: &Node) -> BackoffFile {
    let mut section = Section::new(reader, node, "`backoff`", "resilience.retry.backoff");
    let file = BackoffFile {
        initial: section.value("initial", text::duration),
        max: section.value("max", text::duration),
        jitter: section.value("jitter", |text| match text {
            "full" => Ok(()),
            _ => Err("this version knows `full` only"),
        }),
    };
    section.finish();
    file
}
