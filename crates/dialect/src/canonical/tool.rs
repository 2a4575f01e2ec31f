//! Tools, the choice among them, and the arguments of their calls.

use serde_json::value::RawValue;

use super::{Extra, Raw};

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// JSON Schema of its arguments, as written.
    pub schema: Option<Raw>,
    /// Whether the arguments must follow the schema exactly.
    pub strict: Option<bool>,
    /// Members of the definition that only its own dialect knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra: Extra,
}

/// Whether and what the model must call.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As it sees fit.
    Auto,
    /// Nothing.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// The arguments of a call, as the text that was written: a JSON object where all went well.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Arguments(pub String);

impl Arguments {
    /// The text as an object, spelled as it was. No text, and `null`, are the empty object.
    #[must_use]
    pub fn as_object(&self) -> Option<Box<RawValue>> {
        let text = self.0.trim_ascii();
        let text = if text.is_empty() || text == "null" {
            "{}"
        } else {
            text
        };
        if !text.starts_with('{') {
            return None;
        }
        serde_json::from_str(text).ok()
    }

    /// The text where it is an object, else an object that carries the text, so that a model's mistake does not
    /// spoil the next turn.
    #[must_use]
    pub fn to_object(&self) -> Box<RawValue> {
        self.as_object().unwrap_or_else(|| {
            let wrapped = serde_json::json!({ "invalid_json": self.0 });
            serde_json::value::to_raw_value(&wrapped).unwrap_or_default()
        })
    }
}
