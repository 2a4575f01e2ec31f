//! An answer, whole.

use types::TokenUsage;

use super::{Block, Extra, Loss};

/// What a model answered.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Reply {
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The model that the provider names.
    pub model: Option<String>,
    /// The answers; one unless several were asked for.
    pub choices: Vec<Choice>,
    /// The tokens it cost.
    pub usage: TokenUsage,
    /// Members that only its own dialect knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra: Extra,
    /// What of the answer could not be read into this form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Loss>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Choice {
    /// What it says, in order.
    pub content: Vec<Block>,
    /// Why it ends.
    pub finish: Finish,
    /// Members that only its own dialect knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra: Extra,
}

/// Why an answer ends.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model was done.
    Stop,
    /// One of the stop texts came, this one if it is known.
    StopSequence(Option<String>),
    /// No more tokens were allowed.
    Length,
    /// It waits for results of tools.
    ToolCalls,
    /// It was withheld, by this rule if it is known.
    ContentFilter(Option<String>),
    /// It paused and expects to be called again with what it said.
    Pause,
    /// Another word.
    Other(String),
}

impl Finish {
    /// One word for it, OpenAI's where that has one.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Stop | Self::StopSequence(_) => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter(_) => "content_filter",
            Self::Pause => "pause_turn",
            Self::Other(word) => word,
        }
    }
}
