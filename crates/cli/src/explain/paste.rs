//! What somebody pasted: an error body, a line of a stream, a log line or an exception's text.

use std::fmt::Write;

use diagnosis::Code;
use serde_json::Value;
use types::CallId;

/// Characters of a request id after `req_`. Source: ULID.
const ID: usize = 26;

/// What was found in it.
#[derive(Debug)]
pub(super) struct Pasted {
    /// The call it is about.
    pub(super) id: Option<CallId>,
    /// The gateway's own part of an error body.
    ours: Option<Value>,
    /// A code that stands in it.
    code: Option<Code>,
}

impl Pasted {
    /// Looks through a text.
    pub(super) fn find(text: &str) -> Self {
        let ours = bodies(text).find_map(|body| ours(&body));
        let told = |name: &str| ours.as_ref()?.get(name)?.as_str();
        let id = told("request_id")
            .and_then(CallId::parse)
            .or_else(|| id_in(text));
        let code = told("code").and_then(Code::parse).or_else(|| {
            text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .find_map(Code::parse)
        });
        Self { id, ours, code }
    }

    /// What it tells without a gateway.
    pub(super) fn explain(&self) -> Option<String> {
        let code = self.code?;
        let mut out = String::new();
        let facts = code.facts();
        // Writing to a string cannot fail.
        writeln!(out, "{} ({} fault)", code.as_str(), facts.origin).unwrap_or_default();
        if let Some(ours) = &self.ours {
            let attempts = ours.get("attempts").and_then(Value::as_array);
            for attempt in attempts.into_iter().flatten() {
                let text = |name: &str| attempt.get(name).map(shown).unwrap_or_default();
                writeln!(
                    out,
                    "{:>2} {}  {} ms  {} {}  -> {}",
                    text("n"),
                    text("target"),
                    text("ms"),
                    text("code"),
                    text("evidence"),
                    text("next")
                )
                .unwrap_or_default();
            }
        }
        out.push('\n');
        out.push_str(code.page());
        Some(out)
    }
}

/// JSON objects in it: the whole text, or the data of events, or from the first brace to the last.
fn bodies(text: &str) -> impl Iterator<Item = Value> {
    let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let braced = text
        .find('{')
        .zip(text.rfind('}'))
        .and_then(|(from, to)| text.get(from..=to));
    std::iter::once(text)
        .chain(events)
        .chain(braced)
        .filter_map(|part| serde_json::from_str(part.trim()).ok())
}

/// The member `goodgate` of an error body, in whichever dialect.
fn ours(body: &Value) -> Option<Value> {
    let error = body.get("error").unwrap_or(body);
    let own = error.get("goodgate").or_else(|| body.get("goodgate"));
    own.filter(|own| own.is_object()).cloned()
}

fn id_in(text: &str) -> Option<CallId> {
    text.match_indices("req_")
        .find_map(|(place, start)| CallId::parse(text.get(place..place + start.len() + ID)?))
}

fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"error":{"message":"All failed.","code":"server_error","goodgate":{"request_id":"req_01K9ZQ7V3M8T2ABCDEFGHJKMNP","code":"bad_gateway","attempts":[{"n":1,"target":"a/m","ms":812,"code":"bad_gateway","evidence":"text/html","next":"exhausted"}]}}}"#;

    #[test]
    fn an_error_body_is_found_wherever_it_was_pasted_from() {
        for text in [
            BODY.to_owned(),
            format!("data: {BODY}\n\n"),
            format!("openai.InternalServerError: Error code: 502 - {BODY} and more"),
        ] {
            let found = Pasted::find(&text);
            assert_eq!(
                found.id,
                CallId::parse("req_01K9ZQ7V3M8T2ABCDEFGHJKMNP"),
                "{text}"
            );
            let told = found.explain().unwrap();
            assert!(told.starts_with("bad_gateway (upstream fault)"), "{told}");
            assert!(
                told.contains(" 1 a/m  812 ms  bad_gateway text/html  -> exhausted"),
                "{told}"
            );
        }
    }

    #[test]
    fn an_id_or_a_code_in_any_text_is_enough() {
        let found = Pasted::find("Details: goodgate explain req_01K9ZQ7V3M8T2ABCDEFGHJKMNP.");
        assert!(found.id.is_some() && found.explain().is_none());
        let found = Pasted::find("upstream said 'tls_cert_expired'!");
        assert!(found.id.is_none() && found.explain().unwrap().contains("tls_cert_expired"));
        let found = Pasted::find("req_ req_é nothing {\"a\":1}");
        assert!(found.id.is_none() && found.explain().is_none());
    }
}
