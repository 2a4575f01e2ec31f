//! What encoders share: noting and refusing what another dialect cannot carry, and writing JSON.

use std::borrow::Cow;

use crate::Dialect;
use crate::canonical::{Call, Loss, Raw, ReasoningEffort};
use crate::fault::CallError;

/// Notes, each field once.
#[derive(Debug, Default)]
pub(crate) struct Losses(Vec<Loss>);

impl Losses {
    pub(crate) fn note(
        &mut self,
        field: impl Into<Cow<'static, str>>,
        why: impl Into<Cow<'static, str>>,
    ) {
        let field = field.into();
        if !self.0.iter().any(|loss| loss.field == field) {
            self.0.push(Loss {
                field,
                why: why.into(),
            });
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Loss> {
        self.0
    }
}

/// Parameters whose loss would give the client another answer than the one it can read: refused by name.
const NEEDED: &[(&str, &str)] = &[
    ("logprobs", "the answer would lack the log probabilities"),
    (
        "top_logprobs",
        "the answer would lack the log probabilities",
    ),
    ("functions", "use `tools`"),
    ("function_call", "use `tool_choice`"),
    ("audio", "it answers in text alone"),
    ("modalities", "it answers in text alone"),
    ("web_search_options", "it has no such search"),
];

/// Refuses or notes the members that only the call's own dialect knows; `known` ones are the encoder's business.
pub(crate) fn extras(
    call: &Call,
    target: Dialect,
    known: &[&str],
    losses: &mut Losses,
) -> Result<(), CallError> {
    for (key, value) in &call.extra {
        if known.contains(&key.as_str()) || says_nothing(key, value) {
            continue;
        }
        if let Some((name, why)) = NEEDED.iter().find(|(name, _)| name == key) {
            let message = format!("`{name}` cannot be carried to {}: {why}", title(target));
            return Err(CallError::about(*name, message));
        }
        losses.note(
            key.clone(),
            format!("{} has no such parameter", title(target)),
        );
    }
    for turn in &call.turns {
        for (key, _) in &turn.extra {
            losses.note(
                format!("messages[].{key}"),
                format!("{} has no such field", title(target)),
            );
        }
    }
    Ok(())
}

/// A value that asks for nothing beyond the default.
fn says_nothing(key: &str, value: &Raw) -> bool {
    let text = value.as_str();
    matches!(text, "false" | "{}" | "[]" | "\"auto\"" | "\"default\"")
        || (key == "modalities"
            && text.split_ascii_whitespace().collect::<String>() == "[\"text\"]")
}

/// A format's proper name.
pub(crate) fn title(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenaiChat => "OpenAI",
        Dialect::AnthropicMessages => "Anthropic",
        Dialect::Gemini => "Gemini",
        Dialect::MistralChat => "Mistral",
    }
}

/// Content of a kind that the target does not know.
pub(crate) fn no_such_content(kind: &str, target: &str) -> CallError {
    CallError::about(
        "messages",
        format!("content of type `{kind}` cannot be carried to {target}"),
    )
}

/// The word nearest to a budget of thinking tokens.
pub(crate) fn effort_of_budget(tokens: u64) -> ReasoningEffort {
    match tokens {
        0..2_048 => ReasoningEffort::Minimal,
        2_048..6_144 => ReasoningEffort::Low,
        6_144..16_384 => ReasoningEffort::Medium,
        16_384..49_152 => ReasoningEffort::High,
        _ => ReasoningEffort::Xhigh,
    }
}

/// JSON of one of our own shapes, which cannot fail: keys are strings and nothing returns an error.
pub(crate) fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// Appends JSON with U+2028, U+2029 and U+0085 escaped: some clients take them for ends of lines.
pub(crate) fn escape_line_ends(json: &[u8], out: &mut Vec<u8>) {
    let mut rest = json;
    while let Some(at) = memchr::memchr2(0xE2, 0xC2, rest) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        let (escape, length): (&[u8], usize) = match from {
            [0xE2, 0x80, 0xA8, ..] => (b"\\u2028", 3),
            [0xE2, 0x80, 0xA9, ..] => (b"\\u2029", 3),
            [0xC2, 0x85, ..] => (b"\\u0085", 2),
            _ => (from.get(..1).unwrap_or_default(), 1),
        };
        out.extend_from_slice(escape);
        rest = from.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}
