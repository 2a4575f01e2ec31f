//! What Gemini refuses beyond its descriptor: the order of calls and responses, empty parts, missing signatures.

use serde_json::Value;

use super::Refusal;
use crate::models::ask::{list_member, text_member};

/// The members of which a part has exactly one.
const DATA: [&str; 7] = [
    "text",
    "inlineData",
    "functionCall",
    "functionResponse",
    "fileData",
    "executableCode",
    "codeExecutionResult",
];

pub(super) fn check(body: &Value, model: &str) -> Result<(), Refusal> {
    let contents = list_member(body, "contents");
    if contents.is_empty() {
        let text = "* GenerateContentRequest.contents: contents is not specified\n";
        return Err(Refusal::new(text));
    }
    for (n, content) in contents.iter().enumerate() {
        check_content(content, &format!("contents[{n}]"))?;
        if !matches!(
            text_member(content, "role"),
            "" | "user" | "model" | "function"
        ) {
            return Err(Refusal::new("Please use a valid role: user, model."));
        }
    }
    if let Some(system) = body.get("systemInstruction") {
        check_content(system, "system_instruction")?;
    }
    check_calls(contents)?;
    check_signatures(contents, model)?;
    check_functions(body)?;
    check_config(body)
}

fn check_content(content: &Value, at: &str) -> Result<(), Refusal> {
    let parts = list_member(content, "parts");
    if parts.is_empty() {
        let text =
            format!("* GenerateContentRequest.{at}.parts: contents.parts must not be empty.\n");
        return Err(Refusal::new(text));
    }
    for (n, part) in parts.iter().enumerate() {
        let count = DATA
            .iter()
            .filter(|name| part.get(**name).is_some())
            .count();
        if count == 0 {
            return Err(Refusal::new(format!(
                "* GenerateContentRequest.{at}.parts[{n}].data: required oneof field 'data' must have one \
                 initialized field\n"
            )));
        }
        if count > 1 {
            return Err(Refusal::new(format!(
                "Invalid value at '{at}.parts[{n}]' (oneof), oneof field 'data' is already set."
            )));
        }
        for (member, name) in [
            ("functionCall", "function_call"),
            ("functionResponse", "function_response"),
        ] {
            if part
                .get(member)
                .is_some_and(|p| text_member(p, "name").is_empty())
            {
                return Err(Refusal::new(format!(
                    "* GenerateContentRequest.{at}.parts[{n}].{name}.name: Name cannot be empty.\n"
                )));
            }
        }
    }
    Ok(())
}

fn names<'a>(content: &'a Value, member: &str) -> Vec<&'a str> {
    let parts = list_member(content, "parts")
        .iter()
        .filter_map(|part| part.get(member));
    parts.map(|part| text_member(part, "name")).collect()
}

/// Calls are followed by exactly their responses, by name.
fn check_calls(contents: &[Value]) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    for content in contents {
        let mut responses = names(content, "functionResponse");
        if open.is_empty() && !responses.is_empty() {
            return Err(Refusal::new(
                "Please ensure that function response turn comes immediately after a function call turn.",
            ));
        }
        if responses.len() != open.len() {
            return Err(Refusal::new(
                "Please ensure that the number of function response parts is equal to the number of function call \
                 parts of the function call turn.",
            ));
        }
        open.sort_unstable();
        responses.sort_unstable();
        if open != responses {
            return Err(Refusal::new(
                "Please ensure that the names of function response parts are those of the function call parts of \
                 the function call turn.",
            ));
        }
        open = names(content, "functionCall");
        if !open.is_empty() && text_member(content, "role") != "model" {
            return Err(Refusal::new(
                "Please ensure that function call parts are in a model turn.",
            ));
        }
    }
    if open.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(
        "Please ensure that the number of function response parts is equal to the number of function call parts of \
         the function call turn.",
    ))
}

/// Gemini 3 wants the signature back on the first call of each step since the user last spoke.
fn check_signatures(contents: &[Value], model: &str) -> Result<(), Refusal> {
    if !model
        .rsplit('/')
        .next()
        .unwrap_or(model)
        .starts_with("gemini-3")
    {
        return Ok(());
    }
    let spoke = |content: &Value| {
        let texts = list_member(content, "parts")
            .iter()
            .any(|part| part.get("text").is_some());
        text_member(content, "role") != "model" && texts
    };
    let last = contents.iter().rposition(spoke).unwrap_or(0);
    for (n, content) in contents.iter().enumerate().skip(last) {
        let first = list_member(content, "parts")
            .iter()
            .find(|part| part.get("functionCall").is_some());
        let Some(part) = first else { continue };
        if text_member(part, "thoughtSignature").is_empty() {
            let call = part
                .get("functionCall")
                .map(|call| text_member(call, "name"));
            return Err(Refusal::new(format!(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to \
                 work correctly, and missing thought_signature may lead to degraded model performance. Additional \
                 data, function call `default_api:{}` , position {n}.",
                call.unwrap_or_default()
            )));
        }
    }
    Ok(())
}

fn check_functions(body: &Value) -> Result<(), Refusal> {
    let mut known: Vec<&str> = Vec::new();
    for (t, tool) in list_member(body, "tools").iter().enumerate() {
        for (n, function) in list_member(tool, "functionDeclarations").iter().enumerate() {
            let at = format!("GenerateContentRequest.tools[{t}].function_declarations[{n}]");
            let name = text_member(function, "name");
            let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            let fits = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
            if !starts || name.len() > 128 || !name.chars().all(fits) {
                return Err(Refusal::new(format!(
                    "* {at}.name: Invalid function name. Must start with a letter or an underscore. Must be \
                     alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a \
                     maximum length of 128.\n"
                )));
            }
            if known.contains(&name) {
                return Err(Refusal::new(format!(
                    "Duplicate function declaration found: {name}"
                )));
            }
            known.push(name);
            if function.get("parameters").is_some()
                && function.get("parametersJsonSchema").is_some()
            {
                return Err(Refusal::new(format!(
                    "* {at}: only one of parameters and parameters_json_schema may be set.\n"
                )));
            }
            if let Some(schema) = function.get("parameters") {
                check_schema(schema, &format!("{at}.parameters"), 0)?;
            }
        }
    }
    let allowed = body.pointer("/toolConfig/functionCallingConfig/allowedFunctionNames");
    let allowed = allowed
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    match allowed
        .iter()
        .filter_map(Value::as_str)
        .find(|name| !known.contains(name))
    {
        None => Ok(()),
        Some(_) => Err(Refusal::new(
            "* GenerateContentRequest.tool_config.function_calling_config.allowed_function_names: must be a subset \
             of the declared functions.\n",
        )),
    }
}

/// Objects have properties where they have any, arrays have items, enums are of strings.
fn check_schema(schema: &Value, at: &str, depth: usize) -> Result<(), Refusal> {
    if depth > 32 {
        return Err(Refusal::new(format!(
            "* {at}: schema is nested too deeply\n"
        )));
    }
    let kind = text_member(schema, "type").to_uppercase();
    if kind == "ARRAY" && schema.get("items").is_none() {
        return Err(Refusal::new(format!("* {at}.items: missing field.\n")));
    }
    let below = depth.saturating_add(1);
    let properties = schema.get("properties").and_then(Value::as_object);
    let has = |name: &str| properties.is_some_and(|p| p.contains_key(name));
    for (n, name) in list_member(schema, "required")
        .iter()
        .filter_map(Value::as_str)
        .enumerate()
    {
        if !has(name) {
            return Err(Refusal::new(format!(
                "* {at}.required[{n}]: property is not defined\n"
            )));
        }
    }
    for (name, property) in properties.into_iter().flatten() {
        check_schema(property, &format!("{at}.properties[{name}]"), below)?;
    }
    schema.get("items").map_or(Ok(()), |items| {
        check_schema(items, &format!("{at}.items"), below)
    })
}

fn check_config(body: &Value) -> Result<(), Refusal> {
    let Some(config) = body.get("generationConfig") else {
        return Ok(());
    };
    let json = text_member(config, "responseMimeType") == "application/json";
    let schema =
        config.get("responseSchema").is_some() || config.get("responseJsonSchema").is_some();
    if schema && !json && text_member(config, "responseMimeType") != "text/x.enum" {
        return Err(Refusal::new(
            "* GenerateContentRequest.generation_config.response_schema: only allowed when response_mime_type is \
             application/json.\n",
        ));
    }
    let temperature = config.get("temperature").and_then(Value::as_f64);
    if temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
        return Err(Refusal::new(
            "* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0].\n",
        ));
    }
    if list_member(config, "stopSequences").len() > 5 {
        return Err(Refusal::new(
            "* GenerateContentRequest.generation_config.stop_sequences: at most 5 stop sequences are allowed.\n",
        ));
    }
    let candidates = config.get("candidateCount").and_then(Value::as_i64);
    if candidates.is_some_and(|n| !(1..=8).contains(&n)) {
        return Err(Refusal::new(
            "* GenerateContentRequest.generation_config.candidate_count: must be in the range [1, 8].\n",
        ));
    }
    let thinking = config.get("thinkingConfig");
    if thinking
        .is_some_and(|t| t.get("thinkingLevel").is_some() && t.get("thinkingBudget").is_some())
    {
        return Err(Refusal::new(
            "You can only set only one of thinking budget and thinking level.",
        ));
    }
    Ok(())
}
