//! Mistral's chat completions, embeddings and models: OpenAI's form with rules of its own.
//!
//! Sources: Mistral's `OpenAPI` document (specs/mistral.json), error bodies as their API gave them in public issue
//! threads, seen 2026-11.

use std::sync::LazyLock;

use serde_json::Value;

use super::ask::{Ask, Delivery, list_member, text_member, text_of};
use super::schema::{Place, Spec, Violation, What};
use super::{Endpoint, Exchange, bearer, embeddings, is_invalid, keyless, openai};
use crate::answer::Answer;
use crate::demo;
use crate::json::{Json, object};

mod rules;
mod write;

pub(crate) static SPEC: LazyLock<Spec> =
    LazyLock::new(|| Spec::new(include_str!("../specs/mistral.json")));

/// A request that is refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: u16,
    body: Json,
}

impl Refusal {
    fn new(status: u16, kind: &str, code: &str, message: impl Into<String>) -> Self {
        let body = object! {
            "object" => "error", "message" => message.into(), "type" => kind,
            "param" => Json::null(), "code" => code,
        };
        Self { status, body }
    }

    fn detail(status: u16, detail: &str) -> Self {
        Self {
            status,
            body: object! { "detail" => detail },
        }
    }
}

/// Answers a request.
pub(crate) fn answer(endpoint: &Endpoint, exchange: &Exchange<'_>) -> Answer {
    let answer = try_answer(endpoint, exchange)
        .unwrap_or_else(|refusal| Answer::json(refusal.status, &refusal.body));
    answer.with(
        "mistral-correlation-id",
        format!("drill-{:026}", exchange.n),
    )
}

fn try_answer(endpoint: &Endpoint, exchange: &Exchange<'_>) -> Result<Answer, Refusal> {
    let method = exchange.head.method.as_str();
    let wanted = match endpoint {
        Endpoint::Models | Endpoint::Model(_) => "GET",
        _ => "POST",
    };
    if matches!(endpoint, Endpoint::Chat | Endpoint::Embeddings) || wanted == "GET" {
        if method != wanted && !(method == "HEAD" && wanted == "GET") {
            return Err(Refusal::detail(405, "Method Not Allowed"));
        }
    } else {
        return Err(Refusal::detail(404, "Not Found"));
    }
    let shown = bearer(exchange.head);
    // Whoever shows no key may read the list; a wrong one is refused.
    let open = keyless(exchange) || (*endpoint == Endpoint::Models && shown.is_none());
    if !open && shown.is_none_or(is_invalid) {
        return Err(Refusal::detail(401, "Unauthorized"));
    }
    match endpoint {
        Endpoint::Models => {
            let models = demo::MODELS
                .iter()
                .map(|model| model_card(model.name, exchange.created));
            let list = object! { "object" => "list", "data" => Json::Array(models.collect()) };
            Ok(Answer::json(200, &list))
        }
        Endpoint::Model(model) => Ok(Answer::json(200, &model_card(model, exchange.created))),
        Endpoint::Embeddings => embed(exchange),
        _ => chat(exchange),
    }
}

fn model_card(id: &str, created: u64) -> Json {
    let capabilities = object! {
        "completion_chat" => true, "function_calling" => true, "reasoning" => false,
        "completion_fim" => false, "fine_tuning" => false, "vision" => false,
        "classification" => false,
    };
    object! {
        "id" => id, "object" => "model", "created" => created, "owned_by" => "goodgate-demo",
        "capabilities" => capabilities, "name" => id,
        "description" => "scripted text, not an AI model", "max_context_length" => 131_072,
        "aliases" => Json::Array(Vec::new()), "deprecation" => Json::null(),
        "default_model_temperature" => Json::null(), "type" => "base",
    }
}

/// The body as JSON, checked against the specification.
fn checked(exchange: &Exchange<'_>, request: &str) -> Result<Value, Refusal> {
    let body: Value = serde_json::from_slice(exchange.body).map_err(|error| {
        invalid(vec![object! {
            "type" => "json_invalid", "loc" => Json::Array(vec!["body".into(), error.column().into()]),
            "msg" => "JSON decode error", "input" => object! {},
            "ctx" => object! { "error" => error.to_string() },
        }])
    })?;
    let violations = SPEC.check(request, &body);
    if violations.is_empty() {
        return Ok(body);
    }
    Err(invalid(
        violations
            .iter()
            .map(|violation| worded(violation, &body))
            .collect(),
    ))
}

fn invalid(detail: Vec<Json>) -> Refusal {
    let body = object! {
        "object" => "error", "message" => object! { "detail" => Json::Array(detail) },
        "type" => "invalid_request_error", "param" => Json::null(), "code" => Json::null(),
    };
    Refusal { status: 422, body }
}

/// A violation in pydantic's words, which are Mistral's.
fn worded(violation: &Violation, body: &Value) -> Json {
    let (kind, message) = match &violation.what {
        What::Unknown => (
            "extra_forbidden",
            "Extra inputs are not permitted".to_owned(),
        ),
        What::Missing => ("missing", "Field required".to_owned()),
        What::Type { wanted, .. } => {
            let wanted = wanted
                .iter()
                .find(|w| *w != "null")
                .map_or("object", String::as_str);
            let (kind, word) = match wanted {
                "string" => ("string_type", "string"),
                "integer" => ("int_type", "integer"),
                "number" => ("float_type", "number"),
                "boolean" => ("bool_type", "boolean"),
                "array" => ("list_type", "list"),
                _ => ("dict_type", "dictionary"),
            };
            (kind, format!("Input should be a valid {word}"))
        }
        What::Value { allowed, .. } => {
            let allowed: Vec<String> = allowed.iter().map(|a| format!("'{a}'")).collect();
            (
                "literal_error",
                format!("Input should be {}", allowed.join(" or ")),
            )
        }
        What::TooSmall { least } => (
            "greater_than_equal",
            format!("Input should be greater than or equal to {least}"),
        ),
        What::TooLarge { most } => (
            "less_than_equal",
            format!("Input should be less than or equal to {most}"),
        ),
        What::TooShort { least } => (
            "too_short",
            format!("List should have at least {least} item after validation"),
        ),
        What::TooLong { most } => (
            "too_long",
            format!("List should have at most {most} items after validation"),
        ),
    };
    let mut place = vec![Json::from("body")];
    let mut at = Some(body);
    for step in &violation.path {
        match step {
            Place::Name(name) => {
                place.push(name.into());
                at = at.and_then(|v| v.get(name));
            }
            Place::Index(n) => {
                place.push((*n).into());
                at = at.and_then(|v| v.get(*n));
                // A message's place names its role, the tag of the union.
                if let Some(role) = at.and_then(|v| v.get("role")).and_then(Value::as_str) {
                    place.push(role.into());
                }
            }
        }
    }
    object! {
        "type" => kind, "loc" => Json::Array(place), "msg" => message,
        "input" => Json::or_null(at),
    }
}

fn chat(exchange: &Exchange<'_>) -> Result<Answer, Refusal> {
    let body = checked(exchange, "chat")?;
    rules::check(&body)?;
    let ask = read(&body);
    let reply = exchange
        .reply
        .cloned()
        .unwrap_or_else(|| ask.default_reply());
    Ok(write::answer(&ask, &reply, exchange))
}

fn read(body: &Value) -> Ask {
    let stream = body.get("stream") == Some(&Value::Bool(true));
    let messages = list_member(body, "messages");
    let user = messages
        .iter()
        .rev()
        .find(|m| text_member(m, "role") == "user");
    let effort = text_member(body, "reasoning_effort");
    Ask {
        user_text: text_of(user.and_then(|m| m.get("content"))),
        // Mistral's streams always tell usage, and its models show their thinking.
        delivery: if stream {
            Delivery::StreamWithUsage
        } else {
            Delivery::Whole
        },
        reasoning: text_member(body, "prompt_mode") == "reasoning"
            || !matches!(effort, "" | "none" | "minimal"),
        ..openai::read(body)
    }
}

fn embed(exchange: &Exchange<'_>) -> Result<Answer, Refusal> {
    let body = checked(exchange, "embeddings")?;
    let encoding = match text_member(&body, "encoding_format") {
        "base64" => embeddings::Encoding::Base64,
        _ => embeddings::Encoding::Floats,
    };
    let dimensions = body
        .get("output_dimension")
        .and_then(Value::as_u64)
        .or(Some(1024));
    let texts: Vec<String> = match body.get("input") {
        Some(Value::Array(items)) => items
            .iter()
            .map(|i| i.as_str().unwrap_or_default().to_owned())
            .collect(),
        other => vec![other.and_then(Value::as_str).unwrap_or_default().to_owned()],
    };
    let used: u64 = texts.iter().map(|text| crate::reply::tokens(text)).sum();
    let data = texts.iter().enumerate().map(|(index, text)| {
        let vector = embeddings::vector(text, dimensions);
        object! {
            "object" => "embedding", "embedding" => embeddings::as_json(&vector, encoding),
            "index" => index,
        }
    });
    Ok(Answer::json(
        200,
        &object! {
            "id" => format!("drill{:027}", exchange.n), "object" => "list",
            "data" => Json::Array(data.collect()), "model" => text_member(&body, "model"),
            "usage" => object! {
                "prompt_tokens" => used, "completion_tokens" => 0, "total_tokens" => used,
            },
        },
    ))
}
