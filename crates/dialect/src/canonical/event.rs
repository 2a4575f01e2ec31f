//! An answer, piece by piece.

use types::TokenUsage;

use super::{Finish, Loss};

/// One step of a streamed answer. `choice` counts from 0; so does `call`, densely, within its choice.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The answer begins.
    Begin {
        /// The provider's id of the answer.
        id: Option<String>,
        /// The model that the provider names.
        model: Option<String>,
    },
    /// More text; never empty.
    Text {
        /// Of which answer.
        choice: u32,
        /// The text.
        text: String,
    },
    /// More of what the model thought; never empty.
    Thinking {
        /// Of which answer.
        choice: u32,
        /// The text.
        text: String,
    },
    /// The proof of the thinking so far.
    ThinkingSignature {
        /// Of which answer.
        choice: u32,
        /// The proof.
        signature: String,
    },
    /// Thinking in sealed form.
    RedactedThinking {
        /// Of which answer.
        choice: u32,
        /// The sealed form.
        sealed: String,
    },
    /// More of the words in which the model declines.
    Refusal {
        /// Of which answer.
        choice: u32,
        /// The text.
        text: String,
    },
    /// A tool is called.
    ToolStart {
        /// Of which answer.
        choice: u32,
        /// Which call.
        call: u32,
        /// The call's id.
        id: String,
        /// The tool's name.
        name: String,
        /// Gemini's thought signature.
        signature: Option<String>,
    },
    /// More of a call's arguments; never empty.
    ToolArguments {
        /// Of which answer.
        choice: u32,
        /// Which call.
        call: u32,
        /// The fragment of JSON.
        fragment: String,
    },
    /// The block that was open is complete.
    BlockEnd {
        /// Of which answer.
        choice: u32,
    },
    /// An answer ends.
    Finish {
        /// Which answer.
        choice: u32,
        /// Why.
        finish: Finish,
    },
    /// Running totals, not increments.
    Usage(TokenUsage),
    /// Something that could not be read into this form.
    Lost(Loss),
    /// A sign of life.
    Ping,
    /// The terminal event was seen.
    End,
}

impl Event {
    /// Whether the answer has begun with it: everything but the lifecycle.
    #[must_use]
    pub fn is_content(&self) -> bool {
        match self {
            Self::Begin { .. }
            | Self::Usage(_)
            | Self::Ping
            | Self::End
            | Self::BlockEnd { .. } => false,
            Self::Text { .. }
            | Self::Thinking { .. }
            | Self::ThinkingSignature { .. }
            | Self::RedactedThinking { .. }
            | Self::Refusal { .. }
            | Self::ToolStart { .. }
            | Self::ToolArguments { .. }
            | Self::Finish { .. }
            | Self::Lost(_) => true,
        }
    }
}
