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

pub(crate) mod openai;

pub(crate) mod anthropic;
pub(crate) mod gemini;
pub(crate) mod mistral;

pub(crate) mod ask;
pub(crate) mod embeddings;
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
    /// Chat completions, of OpenAI's form.
    Chat,
    /// Messages, of Anthropic's form.
    Messages,
    /// Gemini's `generateContent`, of a model.
    Generate(String),
    /// Gemini's `streamGenerateContent`, of a model.
    Stream(String),
    /// Gemini's `embedContent`, of a model.
    Embed(String),
    /// Gemini's `batchEmbedContents`, of a model.
    EmbedBatch(String),
    CountTokens,
    Embeddings,
    Models,
    Model(String),
    Unknown,
}

/// What can be done with a model of Gemini.
const GEMINI_VERBS: [&str; 5] = [
    "generateContent",
    "streamGenerateContent",
    "countTokens",
    "embedContent",
    "batchEmbedContents",
];

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
        Style::Anthropic => anthropic_endpoint(rest),
        Style::Gemini => gemini_endpoint(rest),
        Style::OpenAi | Style::Mistral | Style::All => chat_endpoint(rest),
    };
    Some(Route { style, endpoint })
}

/// The style that a path selects, and the path below the prefix.
fn style_of<'a>(served: Style, path: &'a str, head: &Head) -> Option<(Style, &'a str)> {
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
    // A verb after a colon is Google's, whatever the version before it.
    let verb = path
        .rsplit_once(':')
        .is_some_and(|(_, verb)| GEMINI_VERBS.contains(&verb));
    let google = verb || head.header("x-goog-api-key").is_some();
    // The Anthropic SDKs tell themselves by a header on the path that they share.
    let versioned = head.header("anthropic-version").is_some();
    match served {
        Style::All if path.starts_with("/v1/messages") => Some((Style::Anthropic, path)),
        Style::All if path.starts_with("/v1/models") && versioned => Some((Style::Anthropic, path)),
        Style::All if path.starts_with("/v1beta/") => Some((Style::Gemini, path)),
        Style::All if path.starts_with("/v1/models") && google => Some((Style::Gemini, path)),
        Style::All if path.starts_with("/v1/") => Some((Style::OpenAi, path)),
        Style::All => None,
        // The plain resources are there in every style.
        _ if ["/json", "/flaky", "/health"]
            .iter()
            .any(|p| path.starts_with(p)) =>
        {
            None
        }
        style => Some((style, path)),
    }
}

fn chat_endpoint(path: &str) -> Endpoint {
    match path {
        "/v1/chat/completions" | "/chat/completions" => Endpoint::Chat,
        "/v1/embeddings" | "/embeddings" => Endpoint::Embeddings,
        "/v1/models" | "/models" => Endpoint::Models,
        _ => below_models(path.strip_prefix("/v1").unwrap_or(path)),
    }
}

fn anthropic_endpoint(path: &str) -> Endpoint {
    match path {
        "/v1/messages" => Endpoint::Messages,
        "/v1/messages/count_tokens" => Endpoint::CountTokens,
        "/v1/models" => Endpoint::Models,
        _ => below_models(path.strip_prefix("/v1").unwrap_or_default()),
    }
}

fn below_models(path: &str) -> Endpoint {
    match path.strip_prefix("/models/") {
        Some(model) if !model.is_empty() => Endpoint::Model(decoded(model)),
        _ => Endpoint::Unknown,
    }
}

fn gemini_endpoint(path: &str) -> Endpoint {
    let rest = ["/v1beta", "/v1"]
        .iter()
        .find_map(|version| path.strip_prefix(version));
    let rest = rest.unwrap_or_default();
    if rest == "/models" {
        return Endpoint::Models;
    }
    // The verb comes after the last colon: names may have colons themselves.
    let below = decoded(rest.strip_prefix("/models/").unwrap_or_default());
    match below.rsplit_once(':') {
        Some((model, "generateContent")) => Endpoint::Generate(model.to_owned()),
        Some((model, "streamGenerateContent")) => Endpoint::Stream(model.to_owned()),
        Some((_, "countTokens")) => Endpoint::CountTokens,
        Some((model, "embedContent")) => Endpoint::Embed(model.to_owned()),
        Some((model, "batchEmbedContents")) => Endpoint::EmbedBatch(model.to_owned()),
        _ if below.is_empty() => Endpoint::Unknown,
        _ => Endpoint::Model(below),
    }
}

/// A segment of a path with its percent signs decoded, once.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        let value = digits
            .filter(|_| *byte == b'%')
            .and_then(|d| u8::from_str_radix(d, 16).ok());
        bytes.push(value.unwrap_or(*byte));
        rest = if value.is_some() {
            after.get(2..).unwrap_or_default()
        } else {
            after
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The model that a request names: in its path (Gemini) or in its body.
pub(crate) fn model_of(route: Option<&Route>, body: &Bytes) -> Option<String> {
    if let Some(
        Endpoint::Generate(model)
        | Endpoint::Stream(model)
        | Endpoint::Embed(model)
        | Endpoint::EmbedBatch(model),
    ) = route.map(|route| &route.endpoint)
    {
        return Some(model.clone());
    }
    let value: Value = serde_json::from_slice(body).ok()?;
    Some(value.get("model")?.as_str()?.to_owned())
}

/// The same request, as if it had not asked for a stream.
pub(crate) fn without_stream(route: Option<Route>, body: &Bytes) -> (Option<Route>, Bytes) {
    let route = route.map(|mut route| {
        if let Endpoint::Stream(model) = route.endpoint {
            route.endpoint = Endpoint::Generate(model);
        }
        route
    });
    let mut asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(members) = asked.as_object_mut() else {
        return (route, body.clone());
    };
    members.remove("stream");
    members.remove("stream_options");
    (route, Bytes::from(asked.to_string()))
}

/// Answers a request to a model's server.
pub(crate) fn answer(route: &Route, exchange: &Exchange<'_>) -> Answer {
    let answer = match route.style {
        Style::OpenAi | Style::All => openai::answer(&route.endpoint, exchange),
        Style::Anthropic => anthropic::answer(&route.endpoint, exchange),
        Style::Gemini => gemini::answer(&route.endpoint, exchange),
        Style::Mistral => mistral::answer(&route.endpoint, exchange),
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(served: Style, path: &str, headers: &[(&str, &str)]) -> Option<(Style, Endpoint)> {
        let headers = headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        let (method, target) = ("POST".to_owned(), path.to_owned());
        let head = Head {
            method,
            target,
            minor_version: 1,
            headers,
        };
        route(served, path, &head).map(|route| (route.style, route.endpoint))
    }

    #[test]
    fn paths_select_style_and_endpoint() {
        let version = [("anthropic-version", "2023-06-01")];
        let all = |path: &str| routed(Style::All, path, &[]);
        assert_eq!(
            all("/v1/chat/completions"),
            Some((Style::OpenAi, Endpoint::Chat))
        );
        assert_eq!(
            all("/mistral/v1/chat/completions"),
            Some((Style::Mistral, Endpoint::Chat))
        );
        assert_eq!(
            all("/v1/messages"),
            Some((Style::Anthropic, Endpoint::Messages))
        );
        assert_eq!(all("/v1/models"), Some((Style::OpenAi, Endpoint::Models)));
        let models = routed(Style::All, "/v1/models", &version);
        assert_eq!(models, Some((Style::Anthropic, Endpoint::Models)));
        let stream = Endpoint::Stream("tuned:x%".to_owned());
        let path = "/v1beta/models/tuned%3Ax%25:streamGenerateContent";
        assert_eq!(all(path), Some((Style::Gemini, stream)));
        let generate = Endpoint::Generate("m".to_owned());
        assert_eq!(
            all("/v1/models/m:generateContent"),
            Some((Style::Gemini, generate))
        );
        assert_eq!(all("/json/x"), None);
        assert_eq!(routed(Style::Mistral, "/json/x", &[]), None);
        let chat = routed(Style::Mistral, "/v1/chat/completions", &[]);
        assert_eq!(chat, Some((Style::Mistral, Endpoint::Chat)));
    }

    #[test]
    fn every_specification_reads() {
        for (spec, requests) in [
            (&*openai::SPEC, &["chat", "embeddings"][..]),
            (&*mistral::SPEC, &["chat", "embeddings"]),
            (&*anthropic::SPEC, &["messages", "count"]),
            (
                &*gemini::SPEC,
                &["generate", "count", "embed", "embed-batch"],
            ),
        ] {
            for request in requests {
                let found = spec.check(request, &Value::from(7));
                assert!(!found.is_empty(), "{request}: a number is no request");
            }
        }
    }
}
