//! Anthropic's messages, token counts and models: requests as strict as theirs, answers in their form.
//!
//! Sources: the types of Anthropic's SDK (specs/anthropic.json), their pages on errors, versions and streaming, error
//! texts as their API gave them in public issue threads, seen 2026-11.

use std::sync::LazyLock;

use serde_json::Value;

use super::ask::{Ask, Choice, Delivery, Tool, list_member, text_member, text_of};
use super::schema::{Spec, Violation, What, dotted};
use super::{Endpoint, Exchange, bearer, is_invalid, keyless};
use crate::answer::Answer;
use crate::demo;
use crate::json::{Json, object};

mod rules;
mod write;

pub(crate) static SPEC: LazyLock<Spec> =
    LazyLock::new(|| Spec::new(include_str!("../specs/anthropic.json")));

/// The version from which sampling parameters are refused.
const VERSION_WITHOUT_SAMPLING: &str = "2026-10-21";
/// The versions that exist.
const VERSIONS: [&str; 3] = ["2023-01-01", "2023-06-01", VERSION_WITHOUT_SAMPLING];

/// A request that is refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: u16,
    kind: &'static str,
    message: String,
}

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            message: message.into(),
        }
    }

    fn of(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
        }
    }
}

/// Answers a request.
pub(crate) fn answer(endpoint: &Endpoint, exchange: &Exchange<'_>) -> Answer {
    let id = format!("req_drill{:019}", exchange.n);
    let answer = try_answer(endpoint, exchange).unwrap_or_else(|refusal| {
        let body = object! {
            "type" => "error",
            "error" => object! { "type" => refusal.kind, "message" => refusal.message },
            "request_id" => &id,
        };
        Answer::json(refusal.status, &body)
    });
    answer
        .with("request-id", id)
        .with("anthropic-organization-id", "drill")
}

fn try_answer(endpoint: &Endpoint, exchange: &Exchange<'_>) -> Result<Answer, Refusal> {
    let method = exchange.head.method.as_str();
    let wanted = match endpoint {
        Endpoint::Messages | Endpoint::CountTokens => "POST",
        Endpoint::Models | Endpoint::Model(_) => "GET",
        _ => return Err(Refusal::of(404, "not_found_error", "Not found")),
    };
    if method != wanted && !(method == "HEAD" && wanted == "GET") {
        return Err(Refusal::of(
            405,
            "invalid_request_error",
            "Method Not Allowed",
        ));
    }
    check_key(exchange)?;
    let version = check_version(exchange)?;
    match endpoint {
        Endpoint::Models => Ok(Answer::json(200, &model_list(exchange))),
        Endpoint::Model(model) => Ok(Answer::json(200, &model_entry(model))),
        Endpoint::CountTokens => {
            let body = checked(exchange, "count")?;
            let count = crate::reply::tokens(&body.to_string());
            Ok(Answer::json(200, &object! { "input_tokens" => count }))
        }
        _ => messages(exchange, version),
    }
}

fn check_key(exchange: &Exchange<'_>) -> Result<(), Refusal> {
    if keyless(exchange) {
        return Ok(());
    }
    // If both headers are there, x-api-key counts.
    let own = exchange
        .head
        .header("x-api-key")
        .filter(|key| !key.is_empty());
    match (own, bearer(exchange.head)) {
        (Some(key), _) if is_invalid(key) => Err(Refusal::of(
            401,
            "authentication_error",
            "invalid x-api-key",
        )),
        (None, Some(key)) if is_invalid(key) => Err(Refusal::of(
            401,
            "authentication_error",
            "Invalid bearer token",
        )),
        (None, None) => Err(Refusal::of(
            401,
            "authentication_error",
            "x-api-key header is required",
        )),
        _ => Ok(()),
    }
}

fn check_version<'a>(exchange: &Exchange<'a>) -> Result<&'a str, Refusal> {
    match exchange.head.header("anthropic-version") {
        None => Err(Refusal::new("anthropic-version: header is required")),
        Some(version) if VERSIONS.contains(&version) => Ok(version),
        Some(version) => Err(Refusal::new(format!(
            "anthropic-version: \"{version}\" is not a valid version"
        ))),
    }
}

/// The body as JSON, checked against the specification.
fn checked(exchange: &Exchange<'_>, request: &str) -> Result<Value, Refusal> {
    let body: Value = serde_json::from_slice(exchange.body)
        .map_err(|error| Refusal::new(format!("The request body is not valid JSON: {error}")))?;
    match SPEC.check(request, &body).first() {
        Some(violation) => Err(worded(violation)),
        None => Ok(body),
    }
}

/// A violation in pydantic's words, which are Anthropic's.
fn worded(violation: &Violation) -> Refusal {
    let at = dotted(&violation.path);
    let text = match &violation.what {
        What::Unknown => "Extra inputs are not permitted".to_owned(),
        What::Missing => "Field required".to_owned(),
        What::Type { wanted, .. } => {
            let wanted = wanted
                .iter()
                .find(|w| *w != "null")
                .map_or("object", String::as_str);
            let word = match wanted {
                "array" => "list",
                "object" => "dictionary",
                other => other,
            };
            format!("Input should be a valid {word}")
        }
        What::Value { allowed, .. } => {
            let allowed: Vec<String> = allowed.iter().map(|a| format!("'{a}'")).collect();
            let list = match allowed.split_last() {
                Some((last, [])) => last.clone(),
                Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
                None => String::new(),
            };
            format!("Input should be {list}")
        }
        What::TooSmall { least } => format!("Input should be greater than or equal to {least}"),
        What::TooLarge { most } => format!("Input should be less than or equal to {most}"),
        What::TooShort { least } => format!("List should have at least {least} items"),
        What::TooLong { most } => format!("List should have at most {most} items"),
    };
    Refusal::new(if at.is_empty() {
        text
    } else {
        format!("{at}: {text}")
    })
}

fn messages(exchange: &Exchange<'_>, version: &str) -> Result<Answer, Refusal> {
    let body = checked(exchange, "messages")?;
    rules::check(&body, version)?;
    let ask = read(&body);
    let reply = exchange
        .reply
        .cloned()
        .unwrap_or_else(|| ask.default_reply());
    Ok(write::answer(&ask, &reply, exchange))
}

fn read(body: &Value) -> Ask {
    let messages = list_member(body, "messages");
    let said = messages
        .iter()
        .rev()
        .filter(|m| text_member(m, "role") == "user")
        .map(|m| text_of(m.get("content")))
        .find(|text| !text.is_empty());
    let thinking = body
        .pointer("/thinking/type")
        .and_then(Value::as_str)
        .unwrap_or("disabled");
    let tools = list_member(body, "tools")
        .iter()
        .filter(|tool| tool.get("input_schema").is_some());
    let stream = body.get("stream") == Some(&Value::Bool(true));
    let choice = match body.pointer("/tool_choice/type").and_then(Value::as_str) {
        Some("any") => Choice::Required,
        Some("none") => Choice::None,
        Some("tool") => Choice::Named(
            body.pointer("/tool_choice/name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        ),
        _ => Choice::Auto,
    };
    Ask {
        model: text_member(body, "model").to_owned(),
        delivery: if stream {
            Delivery::Stream
        } else {
            Delivery::Whole
        },
        user_text: said.unwrap_or_default(),
        tools: tools
            .map(|tool| Tool {
                name: text_member(tool, "name").to_owned(),
                parameters: tool.get("input_schema").cloned().unwrap_or_default(),
            })
            .collect(),
        choice,
        one_call: body.pointer("/tool_choice/disable_parallel_tool_use")
            == Some(&Value::Bool(true)),
        results: results(messages),
        json: body.pointer("/output_config/format/schema").cloned(),
        answers: 1,
        most_tokens: body.get("max_tokens").and_then(Value::as_u64),
        reasoning: thinking != "disabled",
        stops: list_member(body, "stop_sequences")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        input_tokens: crate::reply::tokens(&body.to_string()),
    }
}

/// The results of tools in the last turn, with the names of their calls.
fn results(messages: &[Value]) -> Vec<(String, String)> {
    let calls: Vec<&Value> = messages
        .iter()
        .flat_map(|m| list_member(m, "content"))
        .filter(|block| text_member(block, "type") == "tool_use")
        .collect();
    let name_of = |id: &str| {
        let call = calls
            .iter()
            .rev()
            .find(|call| text_member(call, "id") == id);
        call.map_or("a tool", |call| text_member(call, "name"))
            .to_owned()
    };
    let last = messages
        .last()
        .map_or(&[][..], |m| list_member(m, "content"));
    last.iter()
        .filter(|block| text_member(block, "type") == "tool_result")
        .map(|block| {
            (
                name_of(text_member(block, "tool_use_id")),
                text_of(block.get("content")),
            )
        })
        .collect()
}

fn model_list(_exchange: &Exchange<'_>) -> Json {
    let models: Vec<Json> = demo::MODELS
        .iter()
        .map(|model| model_entry(model.name))
        .collect();
    object! {
        "data" => models, "has_more" => false,
        "first_id" => Json::or_null(demo::MODELS.first().map(|m| m.name)),
        "last_id" => Json::or_null(demo::MODELS.last().map(|m| m.name)),
    }
}

fn model_entry(id: &str) -> Json {
    object! {
        "type" => "model", "id" => id, "display_name" => format!("goodgate demo: {id}"),
        "created_at" => "2026-11-01T00:00:00Z",
    }
}
