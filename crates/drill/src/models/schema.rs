//! Checks request bodies against the published schemas in `specs/`, as strictly as the real servers do.
//!
//! Understands the keywords that `specs/*.json` use and no others. How a violation is worded is each style's own.

use serde_json::Value;

/// One thing that is wrong with a body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Violation {
    pub(crate) path: Vec<Place>,
    pub(crate) what: What,
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Name(String),
    Index(usize),
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Unknown,
    Missing,
    Type {
        wanted: Vec<String>,
        got: &'static str,
    },
    Value {
        allowed: Vec<String>,
        got: String,
    },
    TooSmall {
        least: String,
    },
    TooLarge {
        most: String,
    },
    TooShort {
        least: u64,
    },
    TooLong {
        most: u64,
    },
}

/// A specification: named schemas, and which of them is which request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spec {
    document: Value,
    protobuf: bool,
}

impl Spec {
    /// Reads a specification; a broken one admits everything, which a test forbids.
    pub(crate) fn new(text: &str) -> Self {
        Self {
            document: serde_json::from_str(text).unwrap_or_default(),
            protobuf: false,
        }
    }

    /// As protobuf reads JSON: `null` is absent, names may be written `like_this`.
    pub(crate) fn reading_protobuf(self) -> Self {
        Self {
            protobuf: true,
            ..self
        }
    }

    fn property<'a>(&self, schema: &'a Value, name: &str) -> Option<&'a Value> {
        let properties = schema.get("properties")?;
        let other = || {
            self.protobuf
                .then(|| properties.get(camel_case(name)))
                .flatten()
        };
        properties.get(name).or_else(other)
    }

    /// The schema of a request.
    fn request(&self, name: &str) -> Option<&Value> {
        let schema = self.document.get("requests")?.get(name)?.as_str()?;
        self.named(schema)
    }

    fn named(&self, name: &str) -> Option<&Value> {
        self.document.get("schemas")?.get(name)
    }

    /// Everything that is wrong with a body.
    pub(crate) fn check(&self, request: &str, body: &Value) -> Vec<Violation> {
        let mut found = Vec::new();
        if let Some(schema) = self.request(request) {
            self.visit(schema, body, &mut Vec::new(), &mut found);
        }
        found
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        // References to references exist, loops of them do not; the bound is for a broken file.
        for _ in 0..16 {
            match schema
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|name| self.named(name))
            {
                Some(next) => schema = next,
                None => return schema,
            }
        }
        schema
    }

    fn visit(
        &self,
        schema: &Value,
        value: &Value,
        at: &mut Vec<Place>,
        found: &mut Vec<Violation>,
    ) {
        let schema = self.resolve(schema);
        if let Some(alternatives) = schema.get("anyOf").and_then(Value::as_array) {
            self.visit_union(alternatives, value, at, found);
            return;
        }
        if let Some(violation) = wrong_type(schema, value) {
            found.push(Violation {
                path: at.clone(),
                what: violation,
            });
            return;
        }
        let mut report = |what| {
            found.push(Violation {
                path: at.clone(),
                what,
            })
        };
        if let Some(what) = wrong_value(schema, value) {
            report(what);
        }
        for what in wrong_size(schema, value) {
            report(what);
        }
        match value {
            Value::Object(members) => self.visit_object(schema, members, at, found),
            Value::Array(items) => {
                if let Some(schema) = schema.get("items") {
                    for (n, item) in items.iter().enumerate() {
                        at.push(Place::Index(n));
                        self.visit(schema, item, at, found);
                        at.pop();
                    }
                }
            }
            _ => {}
        }
    }

    fn visit_object(
        &self,
        schema: &Value,
        members: &serde_json::Map<String, Value>,
        at: &mut Vec<Place>,
        found: &mut Vec<Violation>,
    ) {
        let required = schema
            .get("required")
            .and_then(Value::as_array)
            .map_or(&[][..], |r| r);
        for name in required.iter().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                at.push(Place::Name(name.to_owned()));
                found.push(Violation {
                    path: at.clone(),
                    what: What::Missing,
                });
                at.pop();
            }
        }
        let others = schema.get("additionalProperties");
        for (name, member) in members {
            if self.protobuf && member.is_null() {
                continue;
            }
            at.push(Place::Name(name.clone()));
            match self.property(schema, name) {
                Some(schema) => self.visit(schema, member, at, found),
                None if others == Some(&Value::Bool(false)) => {
                    found.push(Violation {
                        path: at.clone(),
                        what: What::Unknown,
                    });
                }
                None => {
                    if let Some(schema @ Value::Object(_)) = others {
                        self.visit(schema, member, at, found);
                    }
                }
            }
            at.pop();
        }
    }

    /// The alternative that fits best speaks for all.
    fn visit_union(
        &self,
        alternatives: &[Value],
        value: &Value,
        at: &mut Vec<Place>,
        found: &mut Vec<Violation>,
    ) {
        let depth = at.len();
        let mut best: Option<(usize, Vec<Violation>)> = None;
        let mut wanted = Vec::new();
        let mut allowed = Vec::new();
        for alternative in alternatives {
            let mut theirs = Vec::new();
            self.visit(alternative, value, at, &mut theirs);
            if theirs.is_empty() {
                return;
            }
            let score = misfit(&theirs, depth, &mut wanted, &mut allowed);
            if best.as_ref().is_none_or(|(least, _)| score < *least) {
                best = Some((score, theirs));
            }
        }
        let Some((score, mut theirs)) = best else {
            return;
        };
        let keep = |list: Vec<String>| {
            let mut seen = Vec::new();
            list.into_iter().for_each(|x| {
                if !seen.contains(&x) {
                    seen.push(x);
                }
            });
            seen
        };
        for violation in &mut theirs {
            match &mut violation.what {
                What::Type { wanted: theirs, .. } if score >= WRONG_TYPE => {
                    *theirs = keep(std::mem::take(&mut wanted));
                }
                What::Value {
                    allowed: theirs, ..
                } if score >= WRONG_TAG && !allowed.is_empty() => {
                    *theirs = keep(std::mem::take(&mut allowed));
                }
                _ => {}
            }
        }
        if score >= WRONG_TAG {
            // Only the tag is wrong: what the nearest alternative says of the rest would mislead.
            theirs.retain(|v| matches!(v.what, What::Value { .. } | What::Type { .. }));
            theirs.truncate(1);
        }
        found.extend(theirs);
    }
}

const WRONG_TYPE: usize = 1_000_000;
const WRONG_TAG: usize = 1_000;

/// How badly an alternative fits: of another type, of another tag, or so many mistakes.
fn misfit(
    theirs: &[Violation],
    depth: usize,
    wanted: &mut Vec<String>,
    allowed: &mut Vec<String>,
) -> usize {
    let mut score = theirs.len();
    for violation in theirs {
        let below = violation.path.get(depth..).unwrap_or_default();
        match (&violation.what, below) {
            (What::Type { wanted: theirs, .. }, []) => {
                wanted.extend(theirs.iter().cloned());
                score = score.max(WRONG_TYPE);
            }
            (
                What::Value {
                    allowed: theirs, ..
                },
                [Place::Name(name)],
            ) if name == "type" || name == "role" => {
                allowed.extend(theirs.iter().cloned());
                score = score.max(WRONG_TAG);
            }
            (
                What::Value {
                    allowed: theirs, ..
                },
                [],
            ) => {
                allowed.extend(theirs.iter().cloned());
                score = score.max(WRONG_TAG);
            }
            (What::Missing, [Place::Name(name)]) if name == "type" => {
                score = score.max(WRONG_TAG.saturating_sub(1));
            }
            _ => {}
        }
    }
    score
}

/// The JSON type of a value, in words.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn wrong_type(schema: &Value, value: &Value) -> Option<What> {
    let wanted = schema.get("type")?.as_str()?;
    let fits = match (wanted, value) {
        ("string", Value::String(_))
        | ("boolean", Value::Bool(_))
        | ("null", Value::Null)
        | ("array", Value::Array(_))
        | ("object", Value::Object(_))
        | ("number", Value::Number(_)) => true,
        // `1.0` is an integer to JSON Schema.
        ("integer", Value::Number(n)) => {
            !n.is_f64() || n.as_f64().is_some_and(|f| f.fract() == 0.0)
        }
        _ => false,
    };
    (!fits).then(|| What::Type {
        wanted: vec![wanted.to_owned()],
        got: type_of(value),
    })
}

fn wrong_value(schema: &Value, value: &Value) -> Option<What> {
    let allowed: Vec<&Value> = match (schema.get("const"), schema.get("enum")) {
        (Some(only), _) => vec![only],
        (None, Some(Value::Array(list))) => list.iter().collect(),
        _ => return None,
    };
    if allowed.contains(&value) {
        return None;
    }
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    Some(What::Value {
        allowed: allowed.into_iter().map(text).collect(),
        got: text(value),
    })
}

fn wrong_size(schema: &Value, value: &Value) -> Vec<What> {
    let mut found = Vec::new();
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    if let Some(number) = value.as_f64() {
        let low = limit("minimum").is_some_and(|least| number < least)
            || limit("exclusiveMinimum").is_some_and(|least| number <= least);
        let high = limit("maximum").is_some_and(|most| number > most)
            || limit("exclusiveMaximum").is_some_and(|most| number >= most);
        let said = |names: [&str; 2]| {
            names
                .iter()
                .find_map(|name| schema.get(*name))
                .map(ToString::to_string)
        };
        if low {
            found.push(What::TooSmall {
                least: said(["minimum", "exclusiveMinimum"]).unwrap_or_default(),
            });
        }
        if high {
            found.push(What::TooLarge {
                most: said(["maximum", "exclusiveMaximum"]).unwrap_or_default(),
            });
        }
    }
    let (length, least, most) = match value {
        Value::Array(items) => (items.len(), "minItems", "maxItems"),
        Value::String(text) => (text.chars().count(), "minLength", "maxLength"),
        _ => return found,
    };
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    match schema.get(least).and_then(Value::as_u64) {
        Some(least) if length < least => found.push(What::TooShort { least }),
        _ => {}
    }
    match schema.get(most).and_then(Value::as_u64) {
        Some(most) if length > most => found.push(What::TooLong { most }),
        _ => {}
    }
    found
}

/// `like_this` as `likeThis`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut characters = word.chars();
        camel.extend(characters.next().map(|c| c.to_ascii_uppercase()));
        camel.push_str(characters.as_str());
    }
    camel
}

/// A path as OpenAI writes it: `messages[0].content`.
pub(crate) fn bracketed(path: &[Place]) -> String {
    let mut text = String::new();
    for place in path {
        match place {
            Place::Name(name) if text.is_empty() => text.push_str(name),
            Place::Name(name) => {
                text.push('.');
                text.push_str(name);
            }
            Place::Index(n) => {
                text.push('[');
                text.push_str(&n.to_string());
                text.push(']');
            }
        }
    }
    text
}

/// A path as Anthropic writes it: `messages.0.content`.
pub(crate) fn dotted(path: &[Place]) -> String {
    let places: Vec<String> = path
        .iter()
        .map(|place| match place {
            Place::Name(name) => name.clone(),
            Place::Index(n) => n.to_string(),
        })
        .collect();
    places.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec::new(
            r#"{"requests":{"r":"R"},"schemas":{
            "R":{"type":"object","required":["m"],"additionalProperties":false,"properties":{
                "m":{"type":"array","minItems":1,"items":{"anyOf":[{"$ref":"A"},{"$ref":"B"}]}},
                "t":{"anyOf":[{"type":"number","maximum":2},{"type":"null"}]}}},
            "A":{"type":"object","required":["role"],"additionalProperties":false,"properties":{
                "role":{"enum":["a"]},"x":{"anyOf":[{"type":"string"},{"type":"array"}]}}},
            "B":{"type":"object","required":["role"],"additionalProperties":false,"properties":{
                "role":{"enum":["b"]}}}}}"#,
        )
    }

    #[test]
    fn each_mistake_is_found_at_its_place() {
        let cases = [
            (r#"{"m":[{"role":"a","x":"1"}],"t":null}"#, vec![]),
            (r#"{"t":3}"#, vec!["m Missing", "t TooLarge"]),
            (r#"{"m":[]}"#, vec!["m TooShort"]),
            (
                r#"{"m":[{"role":"a","y":1}],"z":1}"#,
                vec!["m[0].y Unknown", "z Unknown"],
            ),
            (r#"{"m":[{"role":"c","y":1}]}"#, vec!["m[0].role Value"]),
            (r#"{"m":[{"role":"a","x":5}]}"#, vec!["m[0].x Type"]),
            (r#"{"m":[7]}"#, vec!["m[0] Type"]),
            ("[]", vec![" Type"]),
        ];
        for (body, wanted) in cases {
            let found = spec().check("r", &serde_json::from_str(body).expect("JSON"));
            let words: Vec<String> = found
                .iter()
                .map(|v| {
                    let what = format!("{:?}", v.what);
                    let word = what.split([' ', '{']).next().unwrap_or_default().to_owned();
                    format!("{} {word}", bracketed(&v.path))
                })
                .collect();
            assert_eq!(words, wanted, "{body}");
        }
    }

    #[test]
    fn a_wrong_tag_names_all_tags() {
        let body = serde_json::json!({"m": [{"role": "c"}]});
        let found = spec().check("r", &body);
        let allowed = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(
            found[0].what,
            What::Value {
                allowed,
                got: "c".to_owned()
            }
        );
    }
}
