//! What a model answers, told once and rendered by each style: text, reasoning, tool calls, usage.

use serde::{Deserialize, Deserializer, Serialize};

/// A scripted answer of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reply {
    /// The text; empty for none.
    pub text: String,
    /// The pieces in which a stream brings the text; when it is empty, words.
    pub pieces: Vec<String>,
    /// Reasoning before the text: thinking blocks, thought parts, `reasoning_content`.
    pub reasoning: Option<String>,
    /// The signature of the reasoning (Anthropic) or of the first call or part (Gemini).
    pub signature: Option<String>,
    /// Calls of tools, in parallel.
    pub tool_calls: Vec<ToolCall>,
    /// Why it ends.
    pub finish: Finish,
    /// The stop sequence that ended it.
    pub stop_sequence: Option<String>,
    /// What it used; estimated from the texts when it is left out.
    pub usage: Option<Usage>,
    /// The model that is named in the answer; the one that was asked for when it is left out.
    pub model: Option<String>,
    /// The id of the answer; a made one when it is left out.
    pub id: Option<String>,
}

/// A call of a tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToolCall {
    /// The tool's name.
    pub name: String,
    /// The arguments as JSON text; in a script an object, or such a text.
    #[serde(deserialize_with = "json_text")]
    pub arguments: String,
    /// The call's id; one that fits the style when it is left out.
    pub id: Option<String>,
}

fn json_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    // Raw, so that the order of members and the spelling of numbers survive.
    let raw = Box::<serde_json::value::RawValue>::deserialize(deserializer)?;
    match serde_json::from_str::<String>(raw.get()) {
        Ok(text) => Ok(text),
        Err(_) => Ok(raw.get().to_owned()),
    }
}

/// Why an answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// Tool calls if there are any, else the natural end.
    #[default]
    Auto,
    /// The natural end.
    Stop,
    /// The token limit.
    Length,
    /// Tools are called.
    ToolCalls,
    /// A filter struck.
    ContentFilter,
}

/// What an answer used, in tokens, as OpenAI counts: `input` includes cached ones, `output` includes reasoning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// All tokens of the prompt.
    pub input: u64,
    /// All tokens of the answer.
    pub output: u64,
    /// The part of `input` that was read from a cache.
    pub cached: u64,
    /// The part of `input` that was written to a cache.
    pub cache_written: u64,
    /// The part of `output` that was reasoning.
    pub reasoning: u64,
}

impl Reply {
    /// An answer of text only.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            ..Self::default()
        }
    }

    /// An answer that calls tools, given as names and arguments (JSON text).
    #[must_use]
    pub fn calls(calls: &[(&str, &str)]) -> Self {
        let call = |(name, arguments): &(&str, &str)| ToolCall {
            name: (*name).to_owned(),
            arguments: (*arguments).to_owned(),
            id: None,
        };
        Self {
            tool_calls: calls.iter().map(call).collect(),
            ..Self::default()
        }
    }

    /// The pieces in which a stream brings the text.
    pub(crate) fn text_pieces(&self) -> Vec<String> {
        if self.pieces.is_empty() {
            words(&self.text)
        } else {
            self.pieces.clone()
        }
    }

    /// The whole text.
    pub(crate) fn whole_text(&self) -> String {
        if self.pieces.is_empty() {
            self.text.clone()
        } else {
            self.pieces.concat()
        }
    }

    /// Why it ends, decided.
    pub(crate) fn ends_by(&self) -> Finish {
        match self.finish {
            Finish::Auto if self.tool_calls.is_empty() => Finish::Stop,
            Finish::Auto => Finish::ToolCalls,
            other => other,
        }
    }

    /// What it used: as scripted, or estimated.
    pub(crate) fn used(&self, input: u64) -> Usage {
        self.usage.unwrap_or_else(|| {
            let reasoning = self.reasoning.as_deref().map_or(0, tokens);
            let calls: u64 = self
                .tool_calls
                .iter()
                .map(|c| {
                    tokens(&c.name)
                        .saturating_add(tokens(&c.arguments))
                        .saturating_add(4)
                })
                .sum();
            let text = tokens(&self.whole_text());
            let output = reasoning.saturating_add(calls).saturating_add(text);
            Usage {
                input,
                output,
                reasoning,
                ..Usage::default()
            }
        })
    }
}

/// An estimate of tokens: four bytes each, and at least one for a text that is not empty.
pub(crate) fn tokens(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX).div_ceil(4)
}

/// The words of a text, each with the white space before it.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.chars() {
        if character == ' ' && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.push(character);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scripted_reply_keeps_arguments_as_written() {
        let reply: Reply = serde_json::from_str(
            r#"{"tool_calls":[{"name":"f","arguments":{"z":1e-7,"a":18446744073709551615}},
                {"name":"g","arguments":"{\"x\": 1"}]}"#,
        )
        .expect("a reply");
        assert_eq!(
            reply.tool_calls[0].arguments,
            r#"{"z":1e-7,"a":18446744073709551615}"#
        );
        assert_eq!(reply.tool_calls[1].arguments, r#"{"x": 1"#);
        assert_eq!(reply.ends_by(), Finish::ToolCalls);
    }

    #[test]
    fn words_join_to_the_text_again() {
        for text in ["", " ", "a b  c ", "one", "\u{2028}x y"] {
            assert_eq!(words(text).concat(), text);
        }
    }
}
