//! Scripts: which requests get which reply or fault.
//!
//! A script is JSON:
//!
//! ```json
//! {
//!   "rules": [
//!     { "when": { "model": "gpt-*", "nth": "1..2" }, "fault": "html-502" },
//!     { "when": { "path": "/v1/chat/completions", "attempt": 1 },
//!       "fault": { "kind": "delay", "at": "before-head", "ms": 250 } },
//!     { "when": { "contains": "weather" },
//!       "reply": { "tool_calls": [{ "name": "get_weather", "arguments": { "city": "Oslo" } }] } }
//!   ],
//!   "connections": [ { "nth": 1, "what": "reset" } ],
//!   "split": 1,
//!   "pace_ms": 5
//! }
//! ```
//!
//! The first rule whose `when` fits a request decides; `nth` counts the requests that fit the rest of its `when`.
//! A fault is a name of the [catalogue], an object with `kind`, or a list of these.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::faults::{Fault, catalogue};
use crate::reply::Reply;

/// What to do to which request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// The rules, in order; the first that fits decides.
    pub rules: Vec<Rule>,
    /// What happens to connections before anything is read from them.
    pub connections: Vec<ConnectionRule>,
    /// Cuts bodies into pieces of so many bytes, unless a rule says otherwise.
    pub split: Option<usize>,
    /// The pause between two pieces or events of a body, in milliseconds, unless a rule says otherwise.
    pub pace_ms: Option<u64>,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Which requests it is for; all, when it says nothing.
    pub when: When,
    /// What the model answers.
    pub reply: Option<Reply>,
    /// What goes wrong.
    #[serde(alias = "faults", deserialize_with = "one_or_many")]
    pub fault: Vec<NamedFault>,
    /// Cuts the body into pieces of so many bytes.
    pub split: Option<usize>,
    /// The pause between two pieces or events of the body, in milliseconds.
    pub pace_ms: Option<u64>,
}

/// Which requests a rule is for. Everything that is said must fit.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// The method.
    pub method: Option<String>,
    /// The path without query; `*` stands for anything.
    pub path: Option<String>,
    /// The model; `*` stands for anything.
    pub model: Option<String>,
    /// The number in `x-goodgate-attempt`; a request without it is the first attempt.
    pub attempt: Option<Span>,
    /// Which of the requests that fit all else.
    pub nth: Option<Span>,
    /// A header and its value; `*` in the value stands for anything.
    pub header: Option<(String, String)>,
    /// A text that the body contains.
    pub contains: Option<String>,
}

/// Numbers from one to another, both included: `3`, `"2..5"`, `"2.."`, `"..5"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// A fault and the name by which the log tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedFault {
    /// The name in the catalogue, or its kind.
    pub name: String,
    /// What it does.
    pub fault: Fault,
}

/// What happens to a connection.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionRule {
    /// Which connections, numbered from 1; all, when it is left out.
    #[serde(default)]
    pub nth: Option<Span>,
    /// What happens.
    pub what: ConnectionFault,
}

/// What happens to a connection before anything is read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionFault {
    /// It is accepted, and nothing is ever read or written.
    Silent,
    /// It is reset.
    Reset,
    /// It is closed in order.
    Close,
    /// It gets an SSH server's banner, and then nothing.
    SshBanner,
}

/// Why a script cannot be used.
#[derive(Debug, Error)]
pub enum ScriptError {
    /// It is no JSON, or not of the form of a script; the text names what is wrong, the line and the column.
    #[error("the script cannot be read: {0}")]
    Json(serde_json::Error),
    /// A rule contradicts itself.
    #[error("rule {number}: {problem}")]
    Rule {
        /// Its number, from 1.
        number: usize,
        /// What is wrong.
        problem: String,
    },
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// Not JSON, an unknown field or fault, or a rule that can never work.
    pub fn from_json(text: &str) -> Result<Self, ScriptError> {
        let script: Self = serde_json::from_str(text).map_err(ScriptError::Json)?;
        script.check()?;
        Ok(script)
    }

    /// A script of one rule for all requests.
    #[must_use]
    pub fn always(rule: Rule) -> Self {
        Self {
            rules: vec![rule],
            ..Self::default()
        }
    }

    /// A script that answers all requests with one reply.
    #[must_use]
    pub fn reply(reply: Reply) -> Self {
        Self::always(Rule {
            reply: Some(reply),
            ..Rule::default()
        })
    }

    /// A script that plays one fault of the catalogue to all requests; `None` when there is no such fault.
    #[must_use]
    pub fn fault(name: &str) -> Option<Self> {
        let fault = vec![NamedFault::find(name)?];
        Some(Self::always(Rule {
            fault,
            ..Rule::default()
        }))
    }

    fn check(&self) -> Result<(), ScriptError> {
        for (n, rule) in self.rules.iter().enumerate() {
            let early = rule.fault.iter().any(|f| f.fault.is_early());
            let body = rule.when.model.is_some() || rule.when.contains.is_some();
            if early && body {
                let problem = "its fault strikes before the body is read, so `model` and `contains` cannot be \
                               looked at; use `path`, `method`, `header`, `attempt` or `nth`";
                return Err(ScriptError::Rule {
                    number: n + 1,
                    problem: problem.to_owned(),
                });
            }
            if rule.split == Some(0) {
                let problem = "`split` is 0; the smallest piece is 1 byte".to_owned();
                return Err(ScriptError::Rule {
                    number: n + 1,
                    problem,
                });
            }
        }
        Ok(())
    }
}

impl NamedFault {
    /// A fault of the catalogue.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let entry = catalogue::find(name)?;
        Some(Self {
            name: entry.name.clone(),
            fault: entry.fault.clone(),
        })
    }
}

impl From<Fault> for NamedFault {
    fn from(fault: Fault) -> Self {
        Self {
            name: fault.kind().to_owned(),
            fault,
        }
    }
}

impl<'de> Deserialize<'de> for NamedFault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        named_fault(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn named_fault(value: Value) -> Result<NamedFault, String> {
    match value {
        Value::String(name) => NamedFault::find(&name).ok_or_else(|| {
            let near = catalogue::near(&name);
            let hint = if near.is_empty() {
                String::new()
            } else {
                format!("; near names: {}", near.join(", "))
            };
            format!("there is no fault named `{name}`{hint}")
        }),
        other => {
            let fault: Fault = serde_json::from_value(other).map_err(|e| format!("fault: {e}"))?;
            Ok(fault.into())
        }
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<NamedFault>, D::Error> {
    let all = match Value::deserialize(deserializer)? {
        Value::Null => Vec::new(),
        Value::Array(items) => items,
        one => vec![one],
    };
    all.into_iter()
        .map(|value| named_fault(value).map_err(D::Error::custom))
        .collect()
}

impl Span {
    /// One number only.
    #[must_use]
    pub fn only(n: u64) -> Self {
        Self { first: n, last: n }
    }

    /// Whether a number is in it.
    #[must_use]
    pub fn holds(&self, n: u64) -> bool {
        self.first <= n && n <= self.last
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let wrong = || {
            D::Error::custom(format!(
                "`{value}` is no span of numbers; write 3, \"2..5\", \"2..\" or \"..5\" (both ends included)"
            ))
        };
        if let Some(n) = value.as_u64() {
            return Ok(Self::only(n));
        }
        let text = value.as_str().ok_or_else(wrong)?;
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let number = |text: &str, open: u64| match text.trim() {
            "" => Ok(open),
            digits => digits.parse::<u64>().map_err(|_| wrong()),
        };
        let span = Self {
            first: number(first, 0)?,
            last: number(last, u64::MAX)?,
        };
        if span.first > span.last || text.is_empty() {
            Err(wrong())
        } else {
            Ok(span)
        }
    }
}

/// What rules look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) head: &'a crate::http::Head,
    pub(crate) model: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// A script that is being played: it counts.
#[derive(Debug, Default)]
pub(crate) struct Playing {
    pub(crate) script: Script,
    counts: Vec<AtomicU64>,
}

impl Playing {
    pub(crate) fn new(script: Script) -> Self {
        let counts = script.rules.iter().map(|_| AtomicU64::new(0)).collect();
        Self { script, counts }
    }

    /// The first rule that fits; of those that strike early, or of the others.
    pub(crate) fn choose(&self, facts: &Facts<'_>, early: bool) -> Option<&Rule> {
        self.script
            .rules
            .iter()
            .zip(&self.counts)
            .find_map(|(rule, count)| {
                if rule.fault.iter().any(|f| f.fault.is_early()) != early || !rule.when.fits(facts)
                {
                    return None;
                }
                let nth = count.fetch_add(1, Ordering::SeqCst).saturating_add(1);
                rule.when
                    .nth
                    .is_none_or(|span| span.holds(nth))
                    .then_some(rule)
            })
    }

    /// What happens to a connection.
    pub(crate) fn connection(&self, n: u64) -> Option<ConnectionFault> {
        let mut rules = self.script.connections.iter();
        rules
            .find(|rule| rule.nth.is_none_or(|span| span.holds(n)))
            .map(|rule| rule.what)
    }

    /// How the body is cut and paced.
    pub(crate) fn pieces(&self, rule: Option<&Rule>) -> (Option<usize>, Option<Duration>) {
        let split = rule.and_then(|rule| rule.split).or(self.script.split);
        let pace = rule.and_then(|rule| rule.pace_ms).or(self.script.pace_ms);
        (split, pace.filter(|ms| *ms > 0).map(Duration::from_millis))
    }
}

impl When {
    /// Whether all but `nth` fits.
    fn fits(&self, facts: &Facts<'_>) -> bool {
        let head = facts.head;
        let attempt = u64::from(head.attempt().unwrap_or(1));
        self.method
            .as_ref()
            .is_none_or(|method| method.eq_ignore_ascii_case(&head.method))
            && self
                .path
                .as_ref()
                .is_none_or(|path| matches_glob(path, head.path()))
            && self
                .model
                .as_ref()
                .is_none_or(|m| facts.model.is_some_and(|f| matches_glob(m, f)))
            && self.attempt.is_none_or(|span| span.holds(attempt))
            && self.header.as_ref().is_none_or(|(name, value)| {
                head.header(name)
                    .is_some_and(|given| matches_glob(value, given))
            })
            && self
                .contains
                .as_ref()
                .is_none_or(|text| contains(facts.body, text.as_bytes()))
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn matches_glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => {
                rest = rest
                    .get(at.saturating_add(part.len())..)
                    .unwrap_or_default()
            }
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Head;

    fn head(path: &str, attempt: &str) -> Head {
        let headers = vec![("x-goodgate-attempt".to_owned(), attempt.to_owned())];
        Head {
            method: "POST".into(),
            target: path.into(),
            minor_version: 1,
            headers,
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_nth_counts_its_own_requests() {
        let script = Script::from_json(
            r#"{"rules":[
                {"when":{"model":"a*"},"fault":"html-502"},
                {"when":{"path":"/v1/*","nth":"2.."},"fault":["cut-json",{"kind":"delay","at":{"after-events":2},"ms":1}]},
                {"when":{"attempt":2},"reply":{"text":"late"}}]}"#,
        )
        .expect("a script");
        let playing = Playing::new(script);
        let choose = |path: &str, model: &str, attempt: &str| {
            let head = head(path, attempt);
            let facts = Facts {
                head: &head,
                model: Some(model),
                body: b"",
            };
            let rule = playing.choose(&facts, false);
            rule.map(|r| {
                r.fault
                    .first()
                    .map_or_else(|| "reply".to_owned(), |f| f.name.clone())
            })
        };
        assert_eq!(choose("/v1/x", "abc", "1").as_deref(), Some("html-502"));
        assert_eq!(choose("/v1/x", "b", "1"), None);
        assert_eq!(choose("/v1/x", "b", "2").as_deref(), Some("cut-json"));
        assert_eq!(choose("/other", "b", "2").as_deref(), Some("reply"));
        assert_eq!(choose("/other", "b", "3"), None);
    }

    #[test]
    fn mistakes_are_told_with_their_place_and_a_hint() {
        let cases = [
            ("{", "EOF"),
            (r#"{"rulez":[]}"#, "unknown field `rulez`"),
            (r#"{"rules":[{"fault":"html-50"}]}"#, "near names: html-502"),
            (
                r#"{"rules":[{"fault":{"kind":"status"}}]}"#,
                "missing field `status`",
            ),
            (r#"{"rules":[{"when":{"nth":"5..2"}}]}"#, "no span"),
            (
                r#"{"rules":[{"when":{"model":"x"},"fault":"early-413"}]}"#,
                "before the body is read",
            ),
            (r#"{"rules":[{"split":0}]}"#, "smallest piece"),
        ];
        for (text, wanted) in cases {
            let error = Script::from_json(text).expect_err(text);
            let said = error.to_string();
            assert!(said.contains(wanted), "{text}: {said}");
        }
    }

    #[test]
    fn patterns_match_as_people_expect() {
        for (pattern, text, fits) in [
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abc", true),
            ("a*b*c", "a-b-c", true),
            ("abc", "abcd", false),
            ("a*x*", "abc", false),
            ("*", "", true),
        ] {
            assert_eq!(matches_glob(pattern, text), fits, "{pattern} {text}");
        }
    }
}
