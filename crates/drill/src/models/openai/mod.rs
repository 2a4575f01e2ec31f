//! OpenAI's chat completions, embeddings and models: requests as strict as theirs, answers in their form.
//!
//! Sources: OpenAI's `OpenAPI` document (specs/openai.json), error bodies as their API gave them in public issue
//! threads, seen 2026-11.

use std::sync::LazyLock;

use serde_json::Value;

use super::ask::{Ask, Choice, Delivery, Tool, list_member, text_member, text_of};
use super::schema::{Spec, Violation, What, bracketed};
use super::{Endpoint, Exchange, bearer, embeddings, is_invalid, keyless};
use crate::answer::Answer;
use crate::json::{Json, object};

mod rules;
mod write;

pub(crate) static SPEC: LazyLock<Spec> =
    LazyLock::new(|| Spec::new(include_str!("../specs/openai.json")));

/// A request that is refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: u16,
    message: String,
    param: Option<String>,
    code: Option<&'static str>,
}

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            message: message.into(),
            param: None,
            code: None,
        }
    }

    fn param(self, param: impl Into<String>) -> Self {
        Self {
            param: Some(param.into()),
            ..self
        }
    }

    fn code(self, code: &'static str) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    fn into_answer(self) -> Answer {
        let error = object! {
            "message" => self.message,
            "type" => "invalid_request_error",
            "param" => Json::or_null(self.param),
            "code" => Json::or_null(self.code),
        };
        Answer::json(self.status, &object! { "error" => error })
    }
}

/// Answers a request.
pub(crate) fn answer(endpoint: &Endpoint, exchange: &Exchange<'_>) -> Answer {
    let id = format!("req_{:032x}", exchange.n);
    let answer = match try_answer(endpoint, exchange) {
        Ok(answer) => answer,
        Err(refusal) => refusal.into_answer(),
    };
    answer
        .with("x-request-id", id)
        .with("openai-version", "2020-10-01")
}

fn try_answer(endpoint: &Endpoint, exchange: &Exchange<'_>) -> Result<Answer, Refusal> {
    let method = exchange.head.method.as_str();
    let (wanted, keyless) = match endpoint {
        Endpoint::Models => ("GET", true),
        Endpoint::Model(_) => ("GET", false),
        _ => ("POST", false),
    };
    if *endpoint == Endpoint::Unknown {
        let message = format!("Invalid URL ({method} {})", exchange.head.path());
        return Err(Refusal::new(message).status(404));
    }
    if method != wanted && !(method == "HEAD" && wanted == "GET") {
        let message = format!("Not allowed to {method} on {}.", exchange.head.path());
        return Err(Refusal::new(message)
            .status(405)
            .code("method_not_supported"));
    }
    // Whoever shows no key may read the list; a wrong one is refused.
    if !keyless || bearer(exchange.head).is_some_and(is_invalid) {
        check_key(exchange)?;
    }
    match endpoint {
        Endpoint::Models => Ok(Answer::json(200, &super::model_list(exchange.created))),
        Endpoint::Model(model) => Ok(Answer::json(
            200,
            &super::model_entry(model, exchange.created),
        )),
        Endpoint::Embeddings => embed(exchange),
        _ => chat(exchange),
    }
}

fn check_key(exchange: &Exchange<'_>) -> Result<(), Refusal> {
    if keyless(exchange) {
        return Ok(());
    }
    match bearer(exchange.head) {
        None => Err(Refusal::new(
            "You didn't provide an API key. You need to provide your API key in an Authorization header \
             using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
        .status(401)),
        Some(key) if is_invalid(key) => {
            let start: String = key.chars().take(7).collect();
            Err(Refusal::new(format!("Incorrect API key provided: {start}***."))
                .status(401)
                .code("invalid_api_key"))
        }
        Some(_) => Ok(()),
    }
}

/// The body as JSON, checked against the specification.
fn checked(exchange: &Exchange<'_>, request: &str) -> Result<Value, Refusal> {
    let body: Value = serde_json::from_slice(exchange.body).map_err(|_| {
        Refusal::new(
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your \
             HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid \
             JSON.)",
        )
    })?;
    match SPEC.check(request, &body).first() {
        Some(violation) => Err(worded(violation)),
        None => Ok(body),
    }
}

/// A violation in OpenAI's words.
fn worded(violation: &Violation) -> Refusal {
    let at = bracketed(&violation.path);
    let (message, code) = match &violation.what {
        What::Unknown => (format!("Unknown parameter: '{at}'."), "unknown_parameter"),
        What::Missing => (
            format!("Missing required parameter: '{at}'."),
            "missing_required_parameter",
        ),
        What::Type { wanted, got } => {
            let article = |kind: &str| match kind {
                "array" | "object" | "integer" => format!("an {kind}"),
                "number" => "a decimal".to_owned(),
                other => format!("a {other}"),
            };
            let wanted: Vec<String> = wanted
                .iter()
                .filter(|w| *w != "null")
                .map(|w| article(w))
                .collect();
            let one_of = if wanted.len() > 1 { "one of " } else { "" };
            let got = if *got == "null" {
                "null".to_owned()
            } else {
                article(got)
            };
            let wanted = wanted.join(" or ");
            let message = format!(
                "Invalid type for '{at}': expected {one_of}{wanted}, but got {got} instead."
            );
            (message, "invalid_type")
        }
        What::Value { allowed, got } => {
            let allowed: Vec<String> = allowed.iter().map(|a| format!("'{a}'")).collect();
            let list = match allowed.split_last() {
                Some((last, [])) => format!("Value must be {last}"),
                Some((last, [one])) => format!("Supported values are: {one} and {last}"),
                Some((last, more)) => {
                    format!("Supported values are: {}, and {last}", more.join(", "))
                }
                None => "No value is supported".to_owned(),
            };
            (format!("Invalid value: '{got}'. {list}."), "invalid_value")
        }
        What::TooSmall { least } => (
            format!("Invalid '{at}': value below minimum value. Expected a value >= {least}."),
            "decimal_below_min_value",
        ),
        What::TooLarge { most } => (
            format!("Invalid '{at}': value above maximum value. Expected a value <= {most}."),
            "decimal_above_max_value",
        ),
        What::TooShort { least } => (
            format!("Invalid '{at}': empty array. Expected an array with minimum length {least}."),
            "empty_array",
        ),
        What::TooLong { most } => (
            format!(
                "Invalid '{at}': array too long. Expected an array with maximum length {most}."
            ),
            "array_above_max_length",
        ),
    };
    Refusal::new(message).param(at).code(code)
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

/// What a valid request asks for.
pub(crate) fn read(body: &Value) -> Ask {
    let messages = list_member(body, "messages");
    let user = messages
        .iter()
        .rev()
        .find(|m| text_member(m, "role") == "user");
    let format = body.get("response_format");
    let json = match format.map(|f| text_member(f, "type")) {
        Some("json_schema") => format
            .and_then(|f| f.pointer("/json_schema/schema"))
            .cloned(),
        Some("json_object") => Some(Value::Object(serde_json::Map::new())),
        _ => None,
    };
    let stops = match body.get("stop") {
        Some(Value::String(stop)) => vec![stop.clone()],
        other => strings(other),
    };
    let number = |name: &str| body.get(name).and_then(Value::as_u64);
    Ask {
        model: text_member(body, "model").to_owned(),
        delivery: delivery(body),
        user_text: text_of(user.and_then(|m| m.get("content"))),
        tools: tools(body),
        choice: choice(body.get("tool_choice")),
        one_call: body.get("parallel_tool_calls") == Some(&Value::Bool(false)),
        results: results(messages),
        json,
        answers: number("n")
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(1),
        most_tokens: number("max_completion_tokens").or_else(|| number("max_tokens")),
        // OpenAI's chat completions never show reasoning.
        reasoning: false,
        stops,
        input_tokens: crate::reply::tokens(&body.to_string()),
    }
}

fn delivery(body: &Value) -> Delivery {
    let yes = Some(&Value::Bool(true));
    if body.get("stream") != yes {
        Delivery::Whole
    } else if body.pointer("/stream_options/include_usage") == yes {
        Delivery::StreamWithUsage
    } else {
        Delivery::Stream
    }
}

fn strings(list: Option<&Value>) -> Vec<String> {
    let items = list
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    items
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// The functions among the tools.
pub(crate) fn tools(body: &Value) -> Vec<Tool> {
    let functions = list_member(body, "tools")
        .iter()
        .filter_map(|tool| tool.get("function"));
    functions
        .map(|function| Tool {
            name: text_member(function, "name").to_owned(),
            parameters: function.get("parameters").cloned().unwrap_or_default(),
        })
        .collect()
}

/// The choice of tools.
pub(crate) fn choice(choice: Option<&Value>) -> Choice {
    match choice {
        Some(Value::String(word)) => match word.as_str() {
            "none" => Choice::None,
            "required" | "any" => Choice::Required,
            _ => Choice::Auto,
        },
        Some(object) => match object.pointer("/function/name").and_then(Value::as_str) {
            Some(name) => Choice::Named(name.to_owned()),
            None => match object
                .pointer("/allowed_tools/mode")
                .and_then(Value::as_str)
            {
                Some("required") => Choice::Required,
                _ => Choice::Auto,
            },
        },
        None => Choice::Auto,
    }
}

/// The results of tools at the end of the history, with the names of their calls.
pub(crate) fn results(messages: &[Value]) -> Vec<(String, String)> {
    let name_of = |id: &str| {
        let calls = messages.iter().flat_map(|m| list_member(m, "tool_calls"));
        calls
            .filter(|call| text_member(call, "id") == id)
            .filter_map(|call| call.pointer("/function/name").and_then(Value::as_str))
            .next_back()
            .unwrap_or("a tool")
            .to_owned()
    };
    let last = messages
        .iter()
        .rev()
        .take_while(|m| text_member(m, "role") == "tool");
    let mut results: Vec<(String, String)> = last
        .map(|m| {
            (
                name_of(text_member(m, "tool_call_id")),
                text_of(m.get("content")),
            )
        })
        .collect();
    results.reverse();
    results
}

fn embed(exchange: &Exchange<'_>) -> Result<Answer, Refusal> {
    let body = checked(exchange, "embeddings")?;
    let encoding = match text_member(&body, "encoding_format") {
        "base64" => embeddings::Encoding::Base64,
        _ => embeddings::Encoding::Floats,
    };
    let dimensions = body.get("dimensions").and_then(Value::as_u64);
    let texts: Vec<String> = match body.get("input") {
        Some(Value::Array(items)) if items.first().is_some_and(Value::is_number) => {
            vec![Value::Array(items.clone()).to_string()]
        }
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| {
                item.as_str()
                    .map_or_else(|| item.to_string(), str::to_owned)
            })
            .collect(),
        other => vec![other.and_then(Value::as_str).unwrap_or_default().to_owned()],
    };
    if texts.iter().any(String::is_empty) {
        return Err(Refusal::new("'input' cannot be an empty string.").param("input"));
    }
    let used: u64 = texts.iter().map(|text| crate::reply::tokens(text)).sum();
    let data = texts.iter().enumerate().map(|(index, text)| {
        let vector = embeddings::vector(text, dimensions);
        object! {
            "object" => "embedding", "index" => index,
            "embedding" => embeddings::as_json(&vector, encoding),
        }
    });
    Ok(Answer::json(
        200,
        &object! {
            "object" => "list",
            "data" => Json::Array(data.collect()),
            "model" => text_member(&body, "model"),
            "usage" => object! { "prompt_tokens" => used, "total_tokens" => used },
        },
    ))
}
