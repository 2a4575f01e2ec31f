//! What a turn consists of.

use super::{Arguments, Extra, Raw};
use crate::Dialect;

/// One piece of a turn.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// Plain text.
    Text(Text),
    /// A picture.
    Image(Image),
    /// What the model thought.
    Thinking(Thinking),
    /// A call of a tool.
    ToolUse(ToolUse),
    /// What a tool gave.
    ToolResult(ToolResult),
    /// The model declined, in these words.
    Refusal(String),
    /// Something that only its own dialect knows.
    Opaque(Opaque),
}

impl Block {
    /// A block of plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text {
            text: text.into(),
            extra: Extra::new(),
        })
    }
}

/// Plain text.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Members that only its own dialect knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra: Extra,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Image {
    /// Where it is.
    pub source: ImageSource,
    /// OpenAI's `detail`.
    pub detail: Option<String>,
    /// Members that only its own dialect knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra: Extra,
}

/// Where a picture is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageSource {
    /// At this address.
    Url(String),
    /// Here.
    Data {
        /// Such as `image/png`.
        media_type: String,
        /// The bytes in standard base64.
        base64: String,
    },
}

/// What the model thought.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Thinking {
    /// The text; empty where it was redacted.
    pub text: String,
    /// The provider's proof, which must go back untouched.
    pub signature: Option<String>,
    /// The sealed form that stands in for the text.
    pub redacted: Option<String>,
}

/// A call of a tool.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct ToolUse {
    /// The call's id, as the client knows it.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// What it is called with.
    pub arguments: Arguments,
    /// Gemini's thought signature.
    pub signature: Option<String>,
    /// Members that only its own dialect knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra: Extra,
}

/// What a tool gave.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct ToolResult {
    /// The call's id.
    pub id: String,
    /// The content: text and pictures.
    pub content: Vec<Block>,
    /// Whether it failed.
    pub is_error: bool,
    /// Members that only its own dialect knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra: Extra,
}

/// Something that only its own dialect knows.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Opaque {
    /// Whose it is.
    pub dialect: Dialect,
    /// Its kind, for a message.
    pub kind: String,
    /// As it was written.
    pub raw: Raw,
}
