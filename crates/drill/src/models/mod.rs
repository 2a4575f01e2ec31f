//! Answers like OpenAI, Anthropic, Gemini and Mistral: strict about requests, truthful in form.
//!
//! Written from their published specifications and documents; shares nothing with `dialect`, so that one mistake
//! cannot hide on both sides. What goes wrong on script is not known here, see `faults`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::{Answer, DEMO_HEADER};
use crate::demo;
use crate::http::Head;
use crate::json::{Json, object};
use crate::reply::Reply;

pub(crate) mod ask;
pub(crate) mod embeddings;
pub(crate) mod openai;
pub(crate) mod schema;

/// Whose dialect is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// By the path of each request; chat completions without a prefix are OpenAI's.
    #[default]
    All,
    /// `OpenAI`: `/v1/chat/completions`, `/v1/embeddings`, `/v1/models`.
    #[serde(rename = "openai")]
    OpenAi,
    /// Anthropic: `/v1/messages`, `/v1/messages/count_tokens`, `/v1/models`.
    Anthropic,
    /// Gemini: `/v1beta/models/{model}:generateContent` and its like.
    Gemini,
    /// Mistral: `/v1/chat/completions`, `/v1/embeddings`, `/v1/models`.
    Mistral,
}

impl Style {
    /// Its name, as in `--style` and in paths.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Mistral => "mistral",
        }
    }

    /// The style of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [
            Self::All,
            Self::OpenAi,
            Self::Anthropic,
            Self::Gemini,
            Self::Mistral,
        ];
        all.into_iter().find(|style| style.name() == name)
    }
}

/// Whether keys are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keys {
    /// As the real servers do: any key will do, but one that contains `invalid` is refused. Demo models need none.
    #[default]
    Required,
    /// No key is needed and none is looked at.
    Ignored,
}

/// One request to a model's server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) head: &'a Head,
    pub(crate) body: &'a Bytes,
    /// The scripted reply.
    pub(crate) reply: Option<&'a Reply>,
    pub(crate) keys: Keys,
    /// The request's number, from which ids are made.
    pub(crate) n: u64,
    /// Seconds since 1970.
    pub(crate) created: u64,
}

/// What is asked of a model's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Chat,
    Embeddings,
    Models,
    Model(String),
    Unknown,
}

/// Where a path leads: the style, the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) style: Style,
    pub(crate) endpoint: Endpoint,
}

/// Finds the style and the endpoint of a path; `None` when the path is of no model's server.
pub(crate) fn route(served: Style, path: &str, head: &Head) -> Option<Route> {
    let (style, rest) = style_of(served, path, head)?;
    let endpoint = match style {
        Style::OpenAi | Style::Mistral => chat_endpoint(rest),
        Style::Anthropic | Style::Gemini | Style::All => return None,
    };
    Some(Route { style, endpoint })
}

/// The style that a path selects, and the path below the prefix.
fn style_of<'a>(served: Style, path: &'a str, _head: &Head) -> Option<(Style, &'a str)> {
    for style in [
        Style::OpenAi,
        Style::Anthropic,
        Style::Gemini,
        Style::Mistral,
    ] {
        let below = path
            .strip_prefix('/')
            .and_then(|p| p.strip_prefix(style.name()));
        if let Some(rest) = below.filter(|rest| rest.starts_with('/')) {
            return Some((style, rest));
        }
    }
    match served {
        Style::All if path.starts_with("/v1/") => Some((Style::OpenAi, path)),
        Style::All => None,
        style => Some((style, path)),
    }
}

fn chat_endpoint(path: &str) -> Endpoint {
    match path {
        "/v1/chat/completions" | "/chat/completions" => Endpoint::Chat,
        "/v1/embeddings" | "/embeddings" => Endpoint::Embeddings,
        "/v1/models" | "/models" => Endpoint::Models,
        _ => match path.strip_prefix("/v1/models/") {
            Some(model) if !model.is_empty() => Endpoint::Model(model.to_owned()),
            _ => Endpoint::Unknown,
        },
    }
}

/// The model that a request names.
pub(crate) fn model_of(_route: Option<&Route>, body: &Bytes) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    Some(value.get("model")?.as_str()?.to_owned())
}

/// Answers a request to a model's server.
pub(crate) fn answer(route: &Route, exchange: &Exchange<'_>) -> Answer {
    let answer = openai::answer(&route.endpoint, exchange);
    answer.with(DEMO_HEADER.0, DEMO_HEADER.1)
}

/// Whether a request may go without a key.
pub(crate) fn keyless(exchange: &Exchange<'_>) -> bool {
    exchange.keys == Keys::Ignored
        || model_of(None, exchange.body).is_some_and(|model| demo::find(&model).is_some())
}

/// The key in `Authorization: Bearer`.
pub(crate) fn bearer(head: &Head) -> Option<&str> {
    let (scheme, key) = head.header("authorization")?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !key.trim().is_empty()).then(|| key.trim())
}

/// Whether a key is one that is refused.
pub(crate) fn is_invalid(key: &str) -> bool {
    key.contains("invalid")
}

/// The list of models, as OpenAI and Mistral give it.
pub(crate) fn model_list(created: u64) -> Json {
    let models = demo::MODELS
        .iter()
        .map(|model| model_entry(model.name, created))
        .collect();
    object! { "object" => "list", "data" => Json::Array(models) }
}

/// A model, as OpenAI and Mistral describe it.
pub(crate) fn model_entry(id: &str, created: u64) -> Json {
    object! {
        "id" => id, "object" => "model", "created" => created, "owned_by" => "goodgate-demo",
    }
}
