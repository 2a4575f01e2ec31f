//! The JSON Schema of the file, for editors, and the reference page made from it. Both are committed; a test keeps
//! them fresh.

use std::borrow::Cow;
use std::fmt::Write as _;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::file::{File, ListedDetails, Named, WeightedTarget};
use crate::route_file::UpstreamFile;

/// `${NAME}` may stand for any single value.
const VARIABLE: &str = r"\$\{.+\}";

macro_rules! scalar {
    ($(#[$meta:meta])* $name:ident, $schema:expr) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

scalar! {
    /// Any text.
    Text, json_schema!({ "type": "string" })
}
scalar! {
    /// A whole number.
    Count, json_schema!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": VARIABLE }] })
}
scalar! {
    /// A price.
    Amount, json_schema!({ "anyOf": [{ "type": "number", "minimum": 0 }, { "type": "string" }] })
}
scalar! {
    /// A duration.
    Time, json_schema!({
        "type": "string",
        "pattern": format!(r"^([0-9.]+ ?(ms|s|m|min|h|d))+$|{VARIABLE}")
    })
}
scalar! {
    /// A size.
    Size, json_schema!({
        "type": "string",
        "pattern": format!(r"^[0-9.]+ ?(B|KB|MB|GB|KiB|MiB|GiB)$|{VARIABLE}")
    })
}
scalar! {
    /// A percentage.
    Share, json_schema!({ "type": "string", "pattern": format!(r"^[0-9.]+ ?%$|{VARIABLE}") })
}
scalar! {
    /// True or false.
    Switch, json_schema!({ "anyOf": [{ "type": "boolean" }, { "type": "string", "pattern": VARIABLE }] })
}
scalar! {
    /// A version of HTTP.
    HttpVersion, json_schema!({ "enum": ["1.1", "2", "auto", 1.1, 2] })
}
scalar! {
    /// A version of TLS.
    TlsVersion, json_schema!({ "enum": ["1.2", "1.3", 1.2, 1.3] })
}
scalar! {
    /// How targets are chosen.
    Strategy, json_schema!({ "enum": ["ordered", "weighted", "least_busy", "fastest", "cheapest"] })
}
scalar! {
    /// By what a caller stays at a target.
    Sticky, json_schema!({ "enum": ["conversation"] })
}
scalar! {
    /// How often a window comes again.
    Recurrence, json_schema!({
        "enum": ["day", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    })
}
scalar! {
    /// Who is served first.
    Priority, json_schema!({ "enum": ["critical", "high", "normal", "batch"] })
}
scalar! {
    /// In which order a route's upstreams are tried.
    RouteStrategy, json_schema!({ "enum": ["ordered", "weighted"] })
}
scalar! {
    /// One text, or a list of them.
    OneOrMore, json_schema!({
        "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
    })
}
scalar! {
    /// When a stream's head goes out.
    Hold, json_schema!({ "enum": ["first_content", "whole"] })
}
scalar! {
    /// Whether a loop acts.
    Mode, json_schema!({ "enum": ["act", "shadow", "off"] })
}
scalar! {
    /// How waits are spread.
    Jitter, json_schema!({ "enum": ["full"] })
}
scalar! {
    /// How much of an error is told.
    Detail, json_schema!({ "enum": ["full", "summary", "none"] })
}
scalar! {
    /// How log lines are written.
    LogFormat, json_schema!({ "enum": ["json", "pretty"] })
}
scalar! {
    /// Who may use a route.
    Access, json_schema!({
        "anyOf": [
            { "enum": ["key", "open"] },
            {
                "type": "object",
                "properties": { "open": { "type": "array", "items": { "type": "string" } } },
                "required": ["open"],
                "additionalProperties": false
            }
        ]
    })
}

/// A target, alone or with its weight.
#[derive(Debug)]
pub(crate) struct Targets;

impl JsonSchema for Targets {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Targets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let weighted = generator.subschema_for::<WeightedTarget>();
        json_schema!({ "anyOf": [{ "type": "string" }, weighted] })
    }
}

/// A provider's models.
#[derive(Debug)]
pub(crate) struct Models;

impl JsonSchema for Models {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Models".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let details = generator.subschema_for::<Option<ListedDetails>>();
        json_schema!({
            "anyOf": [
                { "type": "array", "items": { "type": "string" } },
                { "type": "object", "additionalProperties": details }
            ]
        })
    }
}

/// An upstream of a route: a URL, or a mapping.
#[derive(Debug)]
pub(crate) struct Upstream;

impl JsonSchema for Upstream {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Upstream".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mapping = generator.subschema_for::<UpstreamFile>();
        json_schema!({ "anyOf": [{ "type": "string" }, mapping] })
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let entry = generator.subschema_for::<Option<T>>();
        json_schema!({ "type": "object", "additionalProperties": entry })
    }
}

/// The JSON Schema of the configuration file, pretty-printed, with a line feed at its end.
#[must_use]
pub fn schema_json() -> String {
    let mut schema = schema();
    let kind = "/properties/providers/additionalProperties/properties/type";
    if let Some(kind) = schema.pointer_mut(kind).and_then(Value::as_object_mut) {
        let kinds = provider::KINDS
            .iter()
            .filter(|kind| kind.place != provider::Place::Inside);
        let names: Vec<&str> = kinds.map(|kind| kind.name).collect();
        kind.insert("examples".to_owned(), json!(names));
    }
    pretty(&schema)
}

/// The schema as it is committed: without the names of kinds, so that a new kind changes its own folder alone.
#[cfg(test)]
pub(crate) fn committed_schema() -> String {
    pretty(&schema())
}

fn pretty(schema: &Value) -> String {
    let mut text = serde_json::to_string_pretty(schema).unwrap_or_default();
    text.push('\n');
    text
}

fn schema() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<File>();
    let mut value = schema.to_value();
    tidy(&mut value);
    if let Some(object) = value.as_object_mut() {
        object.insert("title".to_owned(), json!("goodgate.yaml"));
    }
    value
}

/// Takes out what says nothing to an editor: defaults of structs, and `null` beside every optional type, which an
/// empty `key:` needs only where a mapping may be empty.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.remove("default");
            object.remove("title");
            if let Some(Value::Bool(false)) = object.remove("unevaluatedProperties") {
                object.insert("additionalProperties".to_owned(), json!(false));
            }
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The reference page, in Markdown.
#[must_use]
pub fn reference_markdown() -> String {
    let schema = schema();
    let mut out = String::from(
        "# Configuration\n\n\
         <!-- Generated from crates/config/src/file.rs; a test keeps it fresh. -->\n\n\
         `goodgate.yaml` is YAML 1.2, and so JSON. It is looked for at `--config`, `$GOODGATE_CONFIG`, \
         `./goodgate.yaml`, `~/.config/goodgate/goodgate.yaml` and `/etc/goodgate/goodgate.yaml`; the first that \
         exists wins. Without one, the environment is used.\n\n\
         - In any single value, `${NAME}` is a variable of the environment, `${NAME:-text}` one with a default, and \
         `${file:/run/secrets/x}` the content of a file. `$${` writes the characters themselves. Inside `[ ]` and \
         `{ }` YAML wants quotes around them.\n\
         - A setting can be overridden by a variable made of `GOODGATE_` and its path, with `__` between the parts: \
         `GOODGATE_SERVER__LISTEN`. Precedence: flag, variable, file, default.\n\
         - Durations and sizes carry their unit: `500ms`, `30s`, `5m`, `2h`, `30d`; `64KiB`, `50MB`.\n\
         - Unknown keys are errors. `goodgate check` tells all that is wrong at once.\n\n\
         A complete, safe setup:\n\n\
         ```yaml\nproviders:\n  openai: {}          # api_key defaults to ${OPENAI_API_KEY}\n  anthropic: {}\n\
         models:\n  smart: { targets: [openai/gpt-5-mini, anthropic/claude-haiku-4-5] }    # tried in this order\n\
         ```\n",
    );
    let mut sections = Vec::new();
    collect(&schema, "", &mut sections);
    for (path, description, properties) in sections {
        let title = if path.is_empty() { "The file" } else { &path };
        // Writing to a string cannot fail.
        write!(
            out,
            "\n## {title}\n\n{description}\n\n| key | value | meaning |\n| --- | --- | --- |\n"
        )
        .ok();
        for (key, value) in properties {
            let (kind, meaning) = (kind_of(&value), description_of(&value));
            writeln!(
                out,
                "| `{key}` | {kind} | {} |",
                meaning.replace('|', "\\|")
            )
            .ok();
        }
    }
    out
}

type Properties = Vec<(String, Value)>;

/// Every mapping with known keys, by its path.
fn collect(schema: &Value, path: &str, out: &mut Vec<(String, String, Properties)>) {
    let Some(object) = mapping_of(schema) else {
        return;
    };
    let Some(properties) = object.get("properties").and_then(Value::as_object) else {
        if let Some(entry) = object.get("additionalProperties") {
            collect(entry, &format!("{path}.<name>"), out);
        }
        return;
    };
    let listed = properties
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()));
    out.push((path.to_owned(), description_of(schema), listed.collect()));
    for (key, value) in properties {
        let below = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        // The settings of `resilience` are told once.
        if path == "models.<name>" && matches!(key.as_str(), "timeout" | "retry") {
            continue;
        }
        match value.get("items").or_else(|| items_in(value)) {
            Some(items) => collect(items, &format!("{below}[]"), out),
            None => collect(value, &below, out),
        }
    }
}

fn items_in(value: &Value) -> Option<&Value> {
    value.get("anyOf")?.as_array()?.iter().find_map(|one| {
        one.get("items")
            .filter(|items| items.get("properties").is_some())
    })
}

/// The schema itself, or that among its alternatives, which is a mapping.
fn mapping_of(schema: &Value) -> Option<&Map<String, Value>> {
    let is_mapping = schema.get("properties").is_some()
        || schema
            .get("additionalProperties")
            .is_some_and(Value::is_object);
    if is_mapping {
        return schema.as_object();
    }
    let alternatives = schema.get("anyOf")?.as_array()?;
    alternatives.iter().find_map(mapping_of)
}

fn description_of(schema: &Value) -> String {
    let own = schema.get("description").and_then(Value::as_str);
    let inner = || mapping_of(schema)?.get("description")?.as_str();
    own.or_else(inner).unwrap_or_default().to_owned()
}

/// What a value is, in a word or two.
fn kind_of(schema: &Value) -> String {
    if let Some(list) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<String> = list
            .iter()
            .filter(|one| one.is_string())
            .filter_map(|one| Some(format!("`{}`", one.as_str()?)))
            .collect();
        return words.join(", ");
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        return match pattern {
            _ if pattern.contains("ms|") => "duration",
            _ if pattern.contains("KiB") => "size",
            _ if pattern.contains('%') => "share",
            _ => "text",
        }
        .to_owned();
    }
    if mapping_of(schema).is_some() && schema.get("anyOf").is_none() {
        return "mapping".to_owned();
    }
    let of_type = |word: &str| {
        match word {
            "integer" => "number",
            "string" => "text",
            "boolean" => "true or false",
            "array" => "list",
            "object" => "mapping",
            other => other,
        }
        .to_owned()
    };
    match schema.get("type") {
        Some(Value::String(word)) => of_type(word),
        Some(Value::Array(words)) => words
            .iter()
            .filter_map(Value::as_str)
            .find(|word| *word != "null")
            .map(of_type)
            .unwrap_or_default(),
        _ => schema
            .get("anyOf")
            .and_then(Value::as_array)
            .map(|alternatives| {
                let mut kinds: Vec<String> = alternatives
                    .iter()
                    .filter(|one| one.get("type").and_then(Value::as_str) != Some("null"))
                    .filter(|one| one.get("pattern").and_then(Value::as_str) != Some(VARIABLE))
                    .map(kind_of)
                    .collect();
                kinds.dedup();
                kinds.join(" or ")
            })
            .unwrap_or_default(),
    }
}
