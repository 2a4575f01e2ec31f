//! Gemini's `generateContent` and its like: requests as strict as theirs, answers in their form.
//!
//! Sources: Google's protobuf descriptor (specs/gemini.json), the pages on function calling, thought signatures and
//! troubleshooting, error texts as their API gave them in public issue threads, seen 2026-11.

use std::sync::LazyLock;

use serde_json::Value;

use super::ask::{Ask, Choice, Delivery, Tool, list_member, text_member};
use super::schema::{Place, Spec, Violation, What};
use super::{Endpoint, Exchange, bearer, embeddings, is_invalid, keyless};
use crate::answer::Answer;
use crate::demo;
use crate::json::{Json, array, object};

mod rules;
mod write;

pub(crate) static SPEC: LazyLock<Spec> =
    LazyLock::new(|| Spec::new(include_str!("../specs/gemini.json")).reading_protobuf());

/// How a stream is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// Server-sent events (`alt=sse`).
    Events,
    /// One JSON array.
    Array,
}

/// A request that is refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    code: u16,
    status: &'static str,
    message: String,
    details: Option<Json>,
}

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self::of(400, "INVALID_ARGUMENT", message)
    }

    fn of(code: u16, status: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            status,
            message: message.into(),
            details: None,
        }
    }
}

/// Answers a request.
pub(crate) fn answer(endpoint: &Endpoint, exchange: &Exchange<'_>) -> Answer {
    let answer = try_answer(endpoint, exchange).unwrap_or_else(|refusal| {
        let error = object! {
            "code" => refusal.code, "message" => refusal.message, "status" => refusal.status,
            "details" => Json::or_absent(refusal.details),
        };
        let error = object! { "error" => error };
        // Even an error is an item where an array was asked for.
        let streamed = matches!(endpoint, Endpoint::Stream(_));
        let array = streamed && exchange.head.query("alt") != Some("sse");
        Answer::json(refusal.code, &if array { array![error] } else { error })
    });
    answer.with("server-timing", "gfet4t7; dur=1")
}

fn try_answer(endpoint: &Endpoint, exchange: &Exchange<'_>) -> Result<Answer, Refusal> {
    let method = exchange.head.method.as_str();
    let wanted = match endpoint {
        Endpoint::Models | Endpoint::Model(_) => "GET",
        Endpoint::Generate(_)
        | Endpoint::Stream(_)
        | Endpoint::CountTokens
        | Endpoint::Embed(_)
        | Endpoint::EmbedBatch(_) => "POST",
        _ => {
            return Err(Refusal::of(
                404,
                "NOT_FOUND",
                "Requested entity was not found.",
            ));
        }
    };
    if method != wanted && !(method == "HEAD" && wanted == "GET") {
        return Err(Refusal::of(
            404,
            "NOT_FOUND",
            "Requested entity was not found.",
        ));
    }
    check_key(endpoint, exchange)?;
    match endpoint {
        Endpoint::Models => {
            let models: Vec<Json> = demo::MODELS.iter().map(|m| model_entry(m.name)).collect();
            Ok(Answer::json(200, &object! { "models" => models }))
        }
        Endpoint::Model(model) => Ok(Answer::json(200, &model_entry(model))),
        Endpoint::CountTokens => {
            let body = checked(exchange, "count")?;
            let count = crate::reply::tokens(&body.to_string());
            Ok(Answer::json(200, &object! { "totalTokens" => count }))
        }
        Endpoint::Embed(_) => {
            let body = checked(exchange, "embed")?;
            Ok(Answer::json(
                200,
                &object! { "embedding" => embedding(&body) },
            ))
        }
        Endpoint::EmbedBatch(_) => {
            let body = checked(exchange, "embed-batch")?;
            let all: Vec<Json> = list_member(&body, "requests")
                .iter()
                .map(embedding)
                .collect();
            Ok(Answer::json(200, &object! { "embeddings" => all }))
        }
        Endpoint::Generate(model) => generate(exchange, model, None),
        Endpoint::Stream(model) => {
            let sse = exchange.head.query("alt") == Some("sse");
            generate(
                exchange,
                model,
                Some(if sse { Framing::Events } else { Framing::Array }),
            )
        }
        _ => Err(Refusal::of(
            404,
            "NOT_FOUND",
            "Requested entity was not found.",
        )),
    }
}

fn check_key(endpoint: &Endpoint, exchange: &Exchange<'_>) -> Result<(), Refusal> {
    let demo = match endpoint {
        Endpoint::Generate(model) | Endpoint::Stream(model) => demo::find(model).is_some(),
        _ => false,
    };
    if demo || keyless(exchange) {
        return Ok(());
    }
    let head = exchange.head;
    let key = head
        .header("x-goog-api-key")
        .or_else(|| head.query("key"))
        .filter(|k| !k.is_empty());
    match (key, bearer(head)) {
        (Some(key), _) if is_invalid(key) => {
            let message = "API key not valid. Please pass a valid API key.";
            let info = object! {
                "@type" => "type.googleapis.com/google.rpc.ErrorInfo", "reason" => "API_KEY_INVALID",
                "domain" => "googleapis.com",
                "metadata" => object! { "service" => "generativelanguage.googleapis.com" },
            };
            Err(Refusal {
                details: Some(array![info]),
                ..Refusal::new(message)
            })
        }
        (None, Some(token)) if is_invalid(token) => Err(Refusal::of(
            401,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other \
             valid authentication credential.",
        )),
        (None, None) => Err(Refusal::of(
            403,
            "PERMISSION_DENIED",
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key \
             or other form of API consumer identity to call this API.",
        )),
        _ => Ok(()),
    }
}

/// The body as JSON, checked against the descriptor.
fn checked(exchange: &Exchange<'_>, request: &str) -> Result<Value, Refusal> {
    let body: Value = serde_json::from_slice(exchange.body)
        .map_err(|error| Refusal::new(format!("Invalid JSON payload received. {error}")))?;
    let violations = SPEC.check(request, &body);
    if violations.is_empty() {
        return Ok(canonical(body));
    }
    let words: Vec<(String, String)> = violations.iter().map(worded).collect();
    let message: Vec<&str> = words.iter().map(|(_, text)| text.as_str()).collect();
    let fields = words.iter().map(|(field, text)| {
        let field = (!field.is_empty()).then_some(field);
        object! { "field" => Json::or_absent(field), "description" => text }
    });
    let detail = object! {
        "@type" => "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations" => Json::Array(fields.collect()),
    };
    Err(Refusal {
        details: Some(array![detail]),
        ..Refusal::new(message.join("\n"))
    })
}

/// Member names as this module reads them: protobuf's JSON may say `system_instruction` for `systemInstruction`.
fn canonical(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let renamed = members.into_iter().filter(|(_, member)| !member.is_null());
            Value::Object(
                renamed
                    .map(|(name, v)| (renamed_member(name), canonical(v)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        other => other,
    }
}

fn renamed_member(name: String) -> String {
    // Only names of the API itself: those of schemas and arguments are the caller's.
    const OURS: [&str; 27] = [
        "system_instruction",
        "generation_config",
        "tool_config",
        "safety_settings",
        "cached_content",
        "function_declarations",
        "parameters_json_schema",
        "function_calling_config",
        "allowed_function_names",
        "function_call",
        "function_response",
        "thought_signature",
        "inline_data",
        "file_data",
        "executable_code",
        "code_execution_result",
        "candidate_count",
        "max_output_tokens",
        "stop_sequences",
        "response_mime_type",
        "response_schema",
        "response_json_schema",
        "thinking_config",
        "include_thoughts",
        "thinking_budget",
        "thinking_level",
        "output_dimensionality",
    ];
    if OURS.contains(&name.as_str()) {
        super::schema::camel_case(&name)
    } else {
        name
    }
}

/// A path as Google's errors write it: `contents[0].parts[1].function_call`.
fn place(path: &[Place]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Place::Index(n) => {
                text.push('[');
                text.push_str(&n.to_string());
                text.push(']');
            }
            Place::Name(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                for character in name.chars() {
                    if character.is_ascii_uppercase() {
                        text.push('_');
                    }
                    text.push(character.to_ascii_lowercase());
                }
            }
        }
    }
    text
}

/// A violation in Google's words: its field and the text.
fn worded(violation: &Violation) -> (String, String) {
    match (&violation.what, violation.path.split_last()) {
        (What::Unknown, Some((Place::Name(name), parent))) => {
            let parent = place(parent);
            let at = if parent.is_empty() {
                String::new()
            } else {
                format!(" at '{parent}'")
            };
            let text = format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{at}: Cannot find field."
            );
            (parent, text)
        }
        (What::Type { wanted, got }, _) => {
            let at = place(&violation.path);
            let wanted = wanted
                .first()
                .map_or("message", String::as_str)
                .to_uppercase();
            (
                at.clone(),
                format!("Invalid value at '{at}' (TYPE_{wanted}), got {got}"),
            )
        }
        (What::Value { got, .. }, _) => {
            let at = place(&violation.path);
            (
                at.clone(),
                format!("Invalid value at '{at}' (TYPE_ENUM), \"{got}\""),
            )
        }
        (what, _) => {
            let at = place(&violation.path);
            (at.clone(), format!("Invalid value at '{at}': {what:?}"))
        }
    }
}

fn generate(
    exchange: &Exchange<'_>,
    model: &str,
    framing: Option<Framing>,
) -> Result<Answer, Refusal> {
    let body = checked(exchange, "generate")?;
    rules::check(&body, model)?;
    let ask = read(&body, model, framing);
    let reply = exchange
        .reply
        .cloned()
        .unwrap_or_else(|| ask.default_reply());
    Ok(write::answer(&ask, &reply, exchange, framing))
}

fn read(body: &Value, model: &str, framing: Option<Framing>) -> Ask {
    let contents = list_member(body, "contents");
    let texts = |content: &Value| -> String {
        let parts = list_member(content, "parts").iter();
        parts
            .map(|part| text_member(part, "text"))
            .collect::<Vec<_>>()
            .join("\n")
            .trim()
            .to_owned()
    };
    let users = contents
        .iter()
        .rev()
        .filter(|c| text_member(c, "role") != "model");
    let said = users.map(texts).find(|text| !text.is_empty());
    let config = body.get("generationConfig").cloned().unwrap_or_default();
    // Protobuf's JSON may write numbers as strings.
    let number = |name: &str| {
        let value = config.get(name)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    };
    let json = text_member(&config, "responseMimeType") == "application/json";
    let schema = ["responseJsonSchema", "responseSchema"]
        .iter()
        .find_map(|n| config.get(*n))
        .cloned();
    let any_schema = || Value::Object(serde_json::Map::new());
    Ask {
        model: model.to_owned(),
        delivery: if framing.is_some() {
            Delivery::Stream
        } else {
            Delivery::Whole
        },
        user_text: said.unwrap_or_default(),
        tools: declarations(body),
        choice: choice(body),
        one_call: false,
        results: results(contents),
        json: json.then(|| schema.unwrap_or_else(any_schema)),
        answers: number("candidateCount")
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(1),
        most_tokens: number("maxOutputTokens"),
        reasoning: config.pointer("/thinkingConfig/includeThoughts") == Some(&Value::Bool(true)),
        stops: list_member(&config, "stopSequences")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        input_tokens: crate::reply::tokens(&body.to_string()),
    }
}

fn declarations(body: &Value) -> Vec<Tool> {
    let all = list_member(body, "tools")
        .iter()
        .flat_map(|t| list_member(t, "functionDeclarations"));
    all.map(|function| Tool {
        name: text_member(function, "name").to_owned(),
        parameters: ["parametersJsonSchema", "parameters"]
            .iter()
            .find_map(|name| function.get(*name))
            .cloned()
            .unwrap_or_default(),
    })
    .collect()
}

fn choice(body: &Value) -> Choice {
    let config = body
        .pointer("/toolConfig/functionCallingConfig")
        .cloned()
        .unwrap_or_default();
    let allowed = list_member(&config, "allowedFunctionNames");
    match (
        text_member(&config, "mode").to_uppercase().as_str(),
        allowed,
    ) {
        ("NONE", _) => Choice::None,
        ("ANY", [Value::String(name)]) => Choice::Named(name.clone()),
        ("ANY", _) => Choice::Required,
        _ => Choice::Auto,
    }
}

/// The responses of functions in the last turn.
fn results(contents: &[Value]) -> Vec<(String, String)> {
    let parts = contents
        .last()
        .map_or(&[][..], |content| list_member(content, "parts"));
    let responses = parts.iter().filter_map(|part| part.get("functionResponse"));
    responses
        .map(|response| {
            let inner = response.get("response").cloned().unwrap_or_default();
            let said = ["result", "output", "error"]
                .iter()
                .find_map(|name| inner.get(*name));
            let text = match said {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => inner.to_string(),
            };
            (text_member(response, "name").to_owned(), text)
        })
        .collect()
}

fn embedding(request: &Value) -> Json {
    let parts = request.pointer("/content/parts").and_then(Value::as_array);
    let texts: Vec<&str> = parts
        .into_iter()
        .flatten()
        .map(|part| text_member(part, "text"))
        .collect();
    let dimensions = request
        .get("outputDimensionality")
        .and_then(Value::as_u64)
        .or(Some(3072));
    let vector = embeddings::vector(&texts.join("\n"), dimensions);
    object! { "values" => embeddings::as_json(&vector, embeddings::Encoding::Floats) }
}

fn model_entry(id: &str) -> Json {
    object! {
        "name" => format!("models/{id}"), "version" => "001", "displayName" => format!("goodgate demo: {id}"),
        "description" => "scripted text, not an AI model", "inputTokenLimit" => 1_048_576,
        "outputTokenLimit" => 65_536,
        "supportedGenerationMethods" => array!["generateContent", "countTokens"],
    }
}
