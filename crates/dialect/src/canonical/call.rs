//! A call, once read.

use super::{Block, Extra, Raw, Tool, ToolChoice};
use crate::Dialect;

/// What a client asks of a model.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Call {
    /// The dialect it was written in.
    pub dialect: Dialect,
    /// The model, as the client named it.
    pub model: String,
    /// Whether the answer is wanted piece by piece.
    pub stream: bool,
    /// Whether a stream's usage is wanted.
    pub include_usage: bool,
    /// The conversation, system turns in their places.
    pub turns: Vec<Turn>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Whether and what it must call.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once.
    pub parallel_tools: Option<bool>,
    /// The most tokens to answer with.
    pub max_output: Option<u64>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// The form of the answer.
    pub output: OutputFormat,
    /// How much to think.
    pub reasoning: Option<Reasoning>,
    /// Who the end user is, as an opaque id.
    pub user: Option<String>,
    /// How many answers; 1 unless said.
    pub choices: u32,
    /// Members that only the call's own dialect knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra: Extra,
}

impl Call {
    /// A call with nothing but a model.
    #[must_use]
    pub fn new(dialect: Dialect, model: impl Into<String>) -> Self {
        Self {
            dialect,
            model: model.into(),
            stream: false,
            include_usage: false,
            turns: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tools: None,
            max_output: None,
            sampling: Sampling::default(),
            stop: Vec::new(),
            output: OutputFormat::Text,
            reasoning: None,
            user: None,
            choices: 1,
            extra: Extra::new(),
        }
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions.
    System,
    /// Instructions, in the word of OpenAI's newer models.
    Developer,
    /// The person's.
    User,
    /// The model's.
    Assistant,
    /// Results of tools; holds nothing else.
    Tool,
}

/// One turn of the conversation.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Turn {
    /// Whose it is.
    pub role: Role,
    /// The speaker's name.
    pub name: Option<String>,
    /// What it says, in order.
    pub content: Vec<Block>,
    /// Members that only the call's own dialect knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra: Extra,
}

impl Turn {
    /// A turn without a name.
    #[must_use]
    pub fn new(role: Role, content: Vec<Block>) -> Self {
        Self {
            role,
            name: None,
            content,
            extra: Extra::new(),
        }
    }
}

/// How tokens are drawn. `None` is the provider's default.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Sampling {
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// At least 1.
    pub top_k: Option<u64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// For the same answer again.
    pub seed: Option<i64>,
}

/// The form of the answer.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputFormat {
    /// Free text.
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON after a schema.
    JsonSchema {
        /// The schema's name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// The schema, as written.
        schema: Option<Raw>,
        /// Whether it must be followed exactly.
        strict: Option<bool>,
    },
}

/// How much to think.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reasoning {
    /// Not at all.
    Off,
    /// As much as a word says.
    Effort(ReasoningEffort),
    /// Up to so many tokens.
    Budget(u64),
    /// As the model sees fit.
    Adaptive,
}

/// OpenAI's words for how much to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningEffort {
    /// Hardly.
    Minimal,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More than that.
    Xhigh,
    /// All it can.
    Max,
}

impl ReasoningEffort {
    /// OpenAI's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }
}
