//! Tools: what is declared, what is chosen, and the way of a call and its result between providers.

#![expect(clippy::needless_pass_by_value, reason = "cases are written in place")]

use serde_json::{Value, json};

use crate::answer::ensure;
use crate::check::{CONFIGURATION, Case, FORMS, Form, PROVIDERS, ask, check, read};
use crate::rig::{Rig, in_parallel, script};

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "description": "Says it.", "strict": false,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}})
}

fn tools() -> Value {
    json!([tool("weather"), tool("time")])
}

/// Item 18.
#[test]
fn the_choice_of_tools_is_carried() {
    let with = |choice: Value| json!({"tools": tools(), "tool_choice": choice});
    let names = |names: &[&str]| {
        let calls: Vec<_> = names
            .iter()
            .map(|name| json!({"function": {"name": name}}))
            .collect();
        json!({"tool_calls": if calls.is_empty() { Value::Null } else { json!(calls) }})
    };
    let one = json!({"tools": tools(), "tool_choice": "required", "parallel_tool_calls": false});
    let mode = "/toolConfig/functionCallingConfig";
    check(&[
        Case::new("auto", with(json!("auto")))
            .sends("anthropic", json!({"/tool_choice": {"type": "auto"}}))
            .sends("gemini", json!({mode: {"mode": "AUTO"}}))
            .sends("mistral", json!({"/tool_choice": "auto"}))
            .says(names(&[])),
        Case::new("required", with(json!("required")))
            .sends("anthropic", json!({"/tool_choice": {"type": "any"}}))
            .sends(
                "gemini",
                json!({mode: {"mode": "ANY", "allowedFunctionNames": null}}),
            )
            .sends("mistral", json!({"/tool_choice": "any"}))
            .says(names(&["weather", "time"])),
        Case::new("none", with(json!("none")))
            .sends("anthropic", json!({"/tool_choice": {"type": "none"}}))
            .sends("gemini", json!({mode: {"mode": "NONE"}}))
            .sends("mistral", json!({"/tool_choice": "none"}))
            .says(names(&[])),
        Case::new(
            "named",
            with(json!({"type": "function", "function": {"name": "time"}})),
        )
        .sends(
            "anthropic",
            json!({"/tool_choice": {"type": "tool", "name": "time"}}),
        )
        .sends(
            "gemini",
            json!({mode: {"mode": "ANY", "allowedFunctionNames": ["time"]}}),
        )
        .sends(
            "mistral",
            json!({"/tool_choice": {"type": "function", "function": {"name": "time"}}}),
        )
        .says(names(&["time"])),
        Case::new("one at a time", one)
            .sends(
                "anthropic",
                json!({"/tool_choice": {"type": "any", "disable_parallel_tool_use": true}}),
            )
            .sends("mistral", json!({"/parallel_tool_calls": false}))
            .says(names(&["weather"]))
            .says_of("gemini", names(&["weather", "time"]))
            .loses("gemini", &["parallel_tool_calls"]),
        Case::new(
            "forced with an effort",
            json!({"tools": tools(), "tool_choice": "required", "reasoning_effort": "low"}),
        )
        .only("anthropic", "claude-haiku-4-5")
        .sends("anthropic", json!({"/thinking": null}))
        .loses("anthropic", &["reasoning_effort"]),
    ]);
}

/// Item 16: a schema is written as the client wrote it, with what the provider's own validator needs.
#[test]
fn schemas_of_tools_are_carried_as_written() {
    let schema = json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
        "properties": {"n": {"type": "integer", "exclusiveMinimum": 0}, "u": {"oneOf": [{"const": 1}, {"type": "null"}]},
            "r": {"$ref": "#/$defs/R"}}, "$defs": {"R": {"enum": ["a", null]}}, "additionalProperties": false});
    let with = |function: Value| json!({"tools": [{"type": "function", "function": function}]});
    check(&[
        Case::new("real JSON Schema", with(json!({"name": "f", "parameters": schema})))
            .sends("anthropic", json!({"/tools/0/input_schema": schema}))
            .sends("gemini", json!({"/tools/0/functionDeclarations/0": {"parametersJsonSchema": schema, "parameters": null}}))
            .sends("mistral", json!({"/tools/0/function/parameters": schema})),
        Case::new("no schema", with(json!({"name": "f"})))
            .sends("anthropic", json!({"/tools/0/input_schema/type": "object"}))
            .sends("mistral", json!({"/tools/0/function/parameters/type": "object"})),
        Case::new("an empty schema", with(json!({"name": "f", "parameters": {}})))
            .sends("anthropic", json!({"/tools/0/input_schema/type": "object"})),
        Case::new("a strict tool", with(json!({"name": "f", "strict": true, "parameters": {"type": "object"}})))
            .sends("anthropic", json!({"/tools/0/strict": true}))
            .sends("mistral", json!({"/tools/0/function/strict": true}))
            .loses("gemini", &["tools[].function.strict"]),
    ]);
}

fn called(id: &str, name: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

fn result(id: &str, content: Value) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": content})
}

fn asked(calls: Value, rest: &[Value]) -> Value {
    let mut messages = vec![
        json!({"role": "user", "content": "a"}),
        json!({"role": "assistant", "content": null, "tool_calls": calls}),
    ];
    messages.extend_from_slice(rest);
    json!({"messages": messages, "tools": tools()})
}

/// Items 7, 11 and 19: results stand together, before any text, in the order of their calls.
#[test]
fn results_stand_together_in_the_order_of_their_calls() {
    let calls = json!([
        called("c1", "weather", "{}"),
        called("c2", "weather", "{}"),
        called("c3", "time", "{}")
    ]);
    let rest = [
        result("c3", json!("of c3")),
        result("c1", json!("of c1")),
        result("c2", json!("of c2")),
        json!({"role": "user", "content": "go on"}),
    ];
    let between = [
        json!({"role": "system", "content": "S"}),
        result("c1", json!("of c1")),
    ];
    let mut undeclared = asked(
        json!([called("c1", "weather", "{}")]),
        &[result("c1", json!("of c1"))],
    );
    undeclared["tools"] = Value::Null;
    let response =
        |text: &str| json!({"functionResponse": {"name": "weather", "response": {"result": text}}});
    check(&[
        Case::new("out of order, with a text", asked(calls, &rest))
            .sends("anthropic", json!({"/messages/2": {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c3"}, {"type": "tool_result", "tool_use_id": "c1"},
                {"type": "tool_result", "tool_use_id": "c2"}, {"type": "text", "text": "go on"}]}, "/messages/3": null}))
            .sends("gemini", json!({"/contents/2/parts": [response("of c1"), response("of c2"),
                {"functionResponse": {"name": "time"}}, {"text": "go on"}], "/contents/3": null}))
            .sends("mistral", json!({"/messages/2/role": "tool", "/messages/5": {"role": "assistant"},
                "/messages/6": {"role": "user", "content": "go on"}})),
        Case::new("an instruction between", asked(json!([called("c1", "weather", "{}")]), &between)),
        Case::new("tools that are no longer declared", undeclared)
            .sends("anthropic", json!({"/tools": [{"name": "weather"}], "/tool_choice": {"type": "none"}})),
    ]);
}

/// Items 8, 20 and 68: arguments and results of any kind.
#[test]
fn arguments_and_results_of_any_kind_are_carried() {
    let one = |arguments: &str, content: Value| {
        asked(
            json!([called("c1", "weather", arguments)]),
            &[result("c1", content)],
        )
    };
    let odd = r#"{"z":18446744073709551615,"a":1e-7,"m":{"y":0.10,"x":-0}}"#;
    let image = json!([{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]);
    check(&[
        Case::new("odd numbers", one(odd, json!("{\"b\":1e-7,\"a\":2}")))
            .holds("anthropic", r#""input":{"z":18446744073709551615,"a":1e-7,"m":{"y":0.10,"x":-0}}"#)
            .holds("gemini", r#""args":{"z":18446744073709551615,"a":1e-7,"m":{"y":0.10,"x":-0}}"#)
            .holds("gemini", r#""response":{"b":1e-7,"a":2}"#)
            .holds("mistral", r#""arguments":"{\"z\":18446744073709551615,\"a\":1e-7,\"m\":{\"y\":0.10,\"x\":-0}}""#),
        Case::new("nothing", one("", json!("")))
            .holds("anthropic", r#""input":{}"#)
            .holds("gemini", r#""args":{}"#)
            .holds("mistral", r#""arguments":"{}""#),
        Case::new("broken JSON", one("{\"city\": \"Os", json!("it was broken")))
            .loses("anthropic", &["tool_calls[].function.arguments"])
            .loses("gemini", &["tool_calls[].function.arguments"]),
        Case::new("a list", one("[1]", json!("[1]")))
            .loses("anthropic", &["tool_calls[].function.arguments"]),
        Case::new("parts", one("{}", json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]))),
        Case::new("an image", one("{}", image)).only("anthropic", "claude-haiku-4-5")
            .sends("anthropic", json!({"/messages/2/content/0/content": [{"type": "text"}, {"type": "image"}]})),
    ]);
}

/// Item 12: where no signature came back, the documented word stands in, on the first call of each step.
#[test]
fn gemini_3_gets_its_signature_or_the_word_that_stands_in() {
    let calls = json!([called("c1", "weather", "{}"), called("c2", "time", "{}")]);
    let results = [result("c1", json!("a")), result("c2", json!("b"))];
    let mut signed = calls.clone();
    signed[0]["extra_content"] = json!({"google": {"thought_signature": "c2ln"}});
    let sends = |word: &str| json!({"/contents/1/parts": [{"thoughtSignature": word}, {"thoughtSignature": null}]});
    check(&[
        Case::new("unsigned", asked(calls, &results))
            .only("gemini", "gemini-3-flash")
            .sends("gemini", sends("skip_thought_signature_validator")),
        Case::new("signed", asked(signed, &results))
            .only("gemini", "gemini-3-flash")
            .sends("gemini", sends("c2ln")),
    ]);
}

/// A conversation that starts at one provider and goes on at another.
fn converse(rig: &Rig, from: &str, to: &str, form: Form) -> Result<(), String> {
    let mut call = json!({"tools": tools(), "reasoning_effort": "low",
        "messages": [{"role": "user", "content": "call both tools"}]});
    let reply = ask(rig, from, &call, form);
    ensure(reply.status == 200, || {
        format!("{} {}", reply.status, reply.body)
    })?;
    let mut said = read(&reply, form)?.said;
    for known in ["finish_reason", "usage", "choices"] {
        said.as_object_mut().unwrap().remove(known);
    }
    let calls = said["tool_calls"]
        .as_array()
        .ok_or_else(|| format!("no calls: {said}"))?
        .clone();
    let ids: Vec<_> = calls
        .iter()
        .filter_map(|call| call["id"].as_str())
        .collect();
    ensure(ids.len() == 2 && ids[0] != ids[1], || {
        format!("ids: {ids:?}")
    })?;
    // As programs do it: the message as it came, and the results in any order.
    let messages = call["messages"].as_array_mut().unwrap();
    messages.push(said);
    for call in calls.iter().rev() {
        messages.push(result(
            call["id"].as_str().unwrap(),
            json!(format!("of {}", call["function"]["name"].as_str().unwrap())),
        ));
    }
    let reply = ask(rig, to, &call, form);
    let sent = rig
        .drill
        .seen()
        .last()
        .map(|seen| String::from_utf8_lossy(&seen.body).into_owned());
    ensure(reply.status == 200, || {
        format!("{} {}; sent {sent:?}", reply.status, reply.body)
    })?;
    let text = read(&reply, form)?.said["content"]
        .as_str()
        .unwrap_or_default()
        .replace(r#"{"result":"of weather"}"#, "of weather")
        .replace(r#"{"result":"of time"}"#, "of time");
    let told = |name: &str| text.contains(&format!("{name} said: of {name}"));
    ensure(told("weather") && told("time"), || {
        format!("{text}; sent {sent:?}")
    })
}

/// Items 7, 10, 11 and 13: a call's id is foreign to every provider but its own, and yet finds its result.
#[test]
fn a_conversation_with_tools_goes_on_at_any_other_provider() {
    let rig = Rig::with(
        CONFIGURATION,
        script(r#"{"rules":[{"when":{"model":"*-20*"},"split":1}]}"#),
    );
    let mut models: Vec<String> = PROVIDERS
        .iter()
        .flat_map(|(provider, model, split)| [model, split].map(|m| format!("{provider}/{m}")))
        .collect();
    models.extend(
        [
            "gemini/gemini-3-flash",
            "openai/gpt-5-mini",
            "anthropic/claude-opus-4-8",
        ]
        .map(String::from),
    );
    let mut ways = Vec::new();
    for from in &models {
        for to in &models {
            ways.extend(FORMS.map(|form| (from, to, form)));
        }
    }
    let wrong: Vec<_> = in_parallel(&ways, |(from, to, form)| {
        converse(&rig, from, to, *form)
            .err()
            .map(|told| format!("{from} to {to}, {form:?}: {told}"))
    });
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(
        wrong.is_empty(),
        "{} ways are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
