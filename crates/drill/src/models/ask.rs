//! What a request asks for, as the drill reads it from any style, and what it answers when no script says more.

use serde_json::Value;

use crate::reply::{Finish, Reply, ToolCall, tokens};

/// How every text begins that no script gives: nobody shall take it for an AI's.
pub const DEMO_TEXT: &str = "[goodgate demo: scripted text, not an AI model]";

/// What is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) delivery: Delivery,
    /// The text of the last user turn.
    pub(crate) user_text: String,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Choice,
    /// At most one call at a time.
    pub(crate) one_call: bool,
    /// Results of tools at the end of the history: name and text.
    pub(crate) results: Vec<(String, String)>,
    /// JSON is wanted; of this schema, if one is given.
    pub(crate) json: Option<Value>,
    /// How many answers are wanted.
    pub(crate) answers: usize,
    pub(crate) most_tokens: Option<u64>,
    /// Reasoning is wanted in the answer.
    pub(crate) reasoning: bool,
    /// Texts after which the answer stops.
    pub(crate) stops: Vec<String>,
    pub(crate) input_tokens: u64,
}

/// How the answer is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Delivery {
    #[default]
    Whole,
    Stream,
    /// A stream that tells what was used.
    StreamWithUsage,
}

/// A declared tool.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) parameters: Value,
}

/// Which tools may or must be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    #[default]
    Auto,
    None,
    Required,
    Named(String),
}

impl Ask {
    /// The answer that nobody scripted.
    pub(crate) fn default_reply(&self) -> Reply {
        if let Some(calls) = self.default_calls() {
            return Reply {
                tool_calls: calls,
                ..self.reasoned()
            };
        }
        let mut text = if let Some(schema) = &self.json {
            sample(schema, 0).to_string()
        } else if self.results.is_empty() {
            format!("{DEMO_TEXT} You said: {}", self.user_text)
        } else {
            let said: Vec<String> = self
                .results
                .iter()
                .map(|(name, text)| format!("{name} said: {text}"))
                .collect();
            format!("{DEMO_TEXT} {}", said.join("; "))
        };
        let mut stop_sequence = None;
        for stop in self.stops.iter().filter(|stop| !stop.is_empty()) {
            if let Some(at) = text.find(stop.as_str()) {
                text.truncate(at);
                stop_sequence = Some(stop.clone());
            }
        }
        let mut finish = Finish::Stop;
        if let Some(most) = self.most_tokens.filter(|most| *most < tokens(&text)) {
            let bytes = usize::try_from(most.saturating_mul(4)).unwrap_or(usize::MAX);
            text.truncate(text.floor_char_boundary(bytes));
            finish = Finish::Length;
            stop_sequence = None;
        }
        Reply {
            text,
            finish,
            stop_sequence,
            ..self.reasoned()
        }
    }

    fn reasoned(&self) -> Reply {
        let reasoning = self
            .reasoning
            .then(|| format!("{DEMO_TEXT} There is nothing to think."));
        let signature = reasoning
            .is_some()
            .then(|| "ZHJpbGw6c2lnbmF0dXJl".to_owned());
        Reply {
            reasoning,
            signature,
            ..Reply::default()
        }
    }

    /// The calls that are made unasked: where they are demanded, or the user's text says `call tools`.
    fn default_calls(&self) -> Option<Vec<ToolCall>> {
        let said = self.user_text.to_lowercase();
        let wants = [
            "call tool",
            "call the tool",
            "use tool",
            "use the tool",
            "call both",
        ];
        let wanted = self.results.is_empty() && wants.iter().any(|words| said.contains(words));
        let called: Vec<&Tool> = match &self.choice {
            Choice::None => return None,
            Choice::Named(name) => self
                .tools
                .iter()
                .filter(|tool| tool.name == *name)
                .collect(),
            Choice::Required => self
                .tools
                .iter()
                .take(if self.one_call { 1 } else { 2 })
                .collect(),
            Choice::Auto if wanted => self
                .tools
                .iter()
                .take(if self.one_call { 1 } else { 2 })
                .collect(),
            Choice::Auto => return None,
        };
        let call = |tool: &Tool| ToolCall {
            name: tool.name.clone(),
            arguments: sample(&tool.parameters, 0).to_string(),
            id: None,
        };
        (!called.is_empty()).then(|| called.into_iter().map(call).collect())
    }
}

/// A value that fits a schema, as far as the drill understands it.
fn sample(schema: &Value, depth: usize) -> Value {
    if let Some(value) = schema.get("const").or_else(|| schema.get("default")) {
        return value.clone();
    }
    if let Some(first) = schema.get("enum").and_then(|list| list.get(0)) {
        return first.clone();
    }
    for union in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema.get(union).and_then(|list| list.get(0)) {
            return if depth > 16 {
                Value::Null
            } else {
                sample(first, depth.saturating_add(1))
            };
        }
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.to_lowercase(),
        Some(Value::Array(kinds)) => kinds
            .first()
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_lowercase(),
        _ => "object".to_owned(),
    };
    match kind.as_str() {
        "string" => Value::from("goodgate demo"),
        "integer" | "number" => schema
            .get("minimum")
            .cloned()
            .unwrap_or_else(|| Value::from(1)),
        "boolean" => Value::Bool(true),
        "null" => Value::Null,
        "array" => match schema.get("items") {
            Some(items) if depth <= 16 => {
                Value::Array(vec![sample(items, depth.saturating_add(1))])
            }
            _ => Value::Array(Vec::new()),
        },
        _ => {
            let mut members = serde_json::Map::new();
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, property) in properties.into_iter().flatten() {
                if depth <= 16 {
                    members.insert(name.clone(), sample(property, depth.saturating_add(1)));
                }
            }
            Value::Object(members)
        }
    }
}

/// The text of a content that is a string, or a list of parts with `text`.
pub(crate) fn text_of(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<&str> = parts
                .iter()
                .filter_map(|p| p.get("text").and_then(Value::as_str))
                .collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

/// A text member of an object.
pub(crate) fn text_member<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A list member of an object; empty when there is none.
pub(crate) fn list_member<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str, tools: &[&str]) -> Ask {
        let tool = |name: &&str| Tool {
            name: (*name).to_owned(),
            parameters: serde_json::json!({"type": "object", "properties": {
                "city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}}}),
        };
        Ask {
            user_text: text.to_owned(),
            tools: tools.iter().map(tool).collect(),
            ..Ask::default()
        }
    }

    #[test]
    fn tools_are_called_in_parallel_when_the_user_says_so() {
        let calls = ask("please call tools", &["a", "b", "c"])
            .default_reply()
            .tool_calls;
        let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(calls[0].arguments, r#"{"city":"goodgate demo","days":2}"#);
        assert!(ask("hello", &["a"]).default_reply().tool_calls.is_empty());
        let one = Ask {
            one_call: true,
            ..ask("call tools", &["a", "b"])
        };
        assert_eq!(one.default_reply().tool_calls.len(), 1);
        let none = Ask {
            choice: Choice::None,
            ..ask("call tools", &["a", "b"])
        };
        assert!(none.default_reply().tool_calls.is_empty());
    }

    #[test]
    fn an_unscripted_text_says_that_it_is_no_ai_and_respects_limits() {
        let reply = ask("hi", &[]).default_reply();
        assert_eq!(reply.text, format!("{DEMO_TEXT} You said: hi"));
        let short = Ask {
            most_tokens: Some(5),
            ..ask("hi", &[])
        }
        .default_reply();
        assert_eq!((short.text.len(), short.finish), (20, Finish::Length));
        let stopped = Ask {
            stops: vec!["You".into()],
            ..ask("hi", &[])
        }
        .default_reply();
        assert_eq!(stopped.text, format!("{DEMO_TEXT} "));
    }
}
