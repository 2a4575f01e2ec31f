//! The form every dialect decodes to and encodes from: content blocks, as the richest dialects have them.
//!
//! What only one dialect knows is kept as it was written and returns to that dialect alone; what an encoder cannot
//! carry is refused or noted as a [`Loss`], never silent.

mod call;
mod content;
mod event;
mod loss;
mod reply;
mod tool;

pub use call::{Call, OutputFormat, Reasoning, ReasoningEffort, Role, Sampling, Turn};
pub use content::{Block, Image, ImageSource, Opaque, Text, Thinking, ToolResult, ToolUse};
pub use event::Event;
pub use loss::Loss;
pub use reply::{Choice, Finish, Reply};
pub use tool::{Arguments, Tool, ToolChoice};

use serde_json::value::RawValue;

/// A piece of JSON that is kept as it was written: key order, number spelling and all.
#[derive(Clone, Debug)]
pub struct Raw(pub Box<RawValue>);

impl Raw {
    /// Takes over a text that is known to be JSON; `None` where it is not.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// The JSON `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(Box::default())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl serde::Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Raw {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

/// Members that the canonical form has no place for, in the order they stood.
pub type Extra = Vec<(String, Raw)>;
