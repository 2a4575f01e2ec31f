//! One real call, as small as a call can be: a stream of one token. Only with `--live`, since it may cost money.

use std::time::Duration;

use bytes::Bytes;
use diagnosis::{ContentFault, Evidence, Fault, Lane, Phase};
use dialect::{Dialect, StreamFault, Tap};
use http::Method;
use provider::{Deviation, Kind, Operation};
use serde_json::{Value, json};
use types::{Clock, NanoUsd, Secret, TokenUsage};
use upstream::{Answer, Client, Outgoing};

use crate::asking::{self, Place};

/// Tokens of the question, by estimate, for the price.
const ASKED: u64 = 10;

/// Tokens of the answer at most. OpenAI's reasoning models refuse fewer with a 400.
const ANSWERED: u64 = 16;

/// An error body is read up to this.
const MAX_ERROR: u64 = 256 << 10;

/// What came of a call.
#[derive(Debug)]
pub(super) enum Live {
    /// It was answered to the terminal event.
    Answered {
        /// Until the first content.
        first_token: Duration,
        /// Until the end.
        took: Duration,
        /// Limits that its headers tell: lists of models seldom do.
        limits: Vec<(String, String)>,
    },
    /// It was not.
    Failed {
        /// What it showed.
        evidence: Box<Evidence>,
        /// Until it failed.
        took: Duration,
    },
}

/// The model to call: the configured one, else the cheapest that is listed and whose price is known, else the first
/// that is listed.
pub(super) fn model_for(
    kind: &Kind,
    configured: Option<&str>,
    listed: &[String],
) -> Option<String> {
    let cheapest = || {
        let priced = listed
            .iter()
            .filter_map(|name| Some((price(kind, name)?, name)));
        priced.min().map(|(_, name)| name)
    };
    configured
        .map(str::to_owned)
        .or_else(|| cheapest().or_else(|| listed.first()).cloned())
}

/// What a call costs at most; `None` where no price is known.
pub(super) fn price(kind: &Kind, model: &str) -> Option<NanoUsd> {
    let price = provider::catalog::price(kind, model)?;
    let usage = TokenUsage {
        input: Some(ASKED),
        output: Some(ANSWERED),
        ..TokenUsage::default()
    };
    Some(provider::catalog::cost(&price, &usage))
}

/// Makes the call.
pub(super) async fn call(
    client: &Client,
    clock: &dyn Clock,
    place: Place<'_>,
    kind: &'static Kind,
    secret: Option<&Secret>,
    model: &str,
) -> Live {
    let started = clock.now();
    let since_start = || clock.now().saturating_duration_since(started);
    let answered = async {
        let answer = ask(client, place, kind, secret, model).await?;
        let limits = asking::limits(&answer.headers.to_map());
        let first_token = follow(answer, clock, place, kind, &since_start).await?;
        Ok((first_token, limits))
    };
    match answered.await {
        Ok((first_token, limits)) => Live::Answered {
            first_token,
            took: since_start(),
            limits,
        },
        Err(evidence) => Live::Failed {
            evidence,
            took: since_start(),
        },
    }
}

/// Asks the question; the answer has a status of success.
async fn ask(
    client: &Client,
    place: Place<'_>,
    kind: &'static Kind,
    secret: Option<&Secret>,
    model: &str,
) -> Result<Answer, Box<Evidence>> {
    let chat = Operation::Chat { stream: true };
    let path = provider::request::path(kind, place.endpoint, model, chat);
    let key = asking::kind_headers(kind, secret);
    let mut block = asking::header_block(place.endpoint, key.iter().chain(place.headers));
    block.extend_from_slice(b"content-type: application/json\r\n");
    let outgoing = Outgoing {
        fixed_headers: &block,
        body: vec![Bytes::from(question(kind, model).to_string())].into(),
        decode: true,
        lane: Lane::Model,
        ..Outgoing::new(&Method::POST, &path)
    };
    let mut answer = client
        .send(place.destination, outgoing, place.timers)
        .await?;
    if answer.status.is_success() {
        return Ok(*answer);
    }
    let (idle, deadline) = (place.timers.header, place.timers.deadline);
    let body = answer.body.read_all(MAX_ERROR, idle, deadline).await;
    let body = body.unwrap_or_default();
    let mut evidence = answer.evidence;
    evidence.phase = Phase::Headers;
    let status = answer.status.as_u16();
    evidence.signal = provider::signal(kind, kind.dialect, status, &answer.headers.to_map(), &body);
    Err(evidence)
}

/// Reads the stream to its end; gives the time of the first content.
async fn follow(
    mut answer: Answer,
    clock: &dyn Clock,
    place: Place<'_>,
    kind: &'static Kind,
    since_start: &(dyn Fn() -> Duration + Sync),
) -> Result<Duration, Box<Evidence>> {
    let (idle, deadline) = (place.timers.header, place.timers.deadline);
    let mut evidence = answer.evidence;
    let unix = i64::try_from(clock.unix_millis() / 1000).unwrap_or(i64::MAX);
    evidence.head = Some(upstream::head_facts(answer.status, &answer.headers, unix));
    evidence.phase = Phase::Stream;
    let mut tap = Tap::new(kind.dialect, false);
    let mut first_token = None;
    let ended = loop {
        let mut items = Vec::new();
        let pushed = match answer.body.next(idle, deadline).await {
            Some(Ok(bytes)) => tap.push(bytes, &mut items),
            Some(Err(fault)) => {
                fault.complete(&mut evidence);
                return Err(evidence);
            }
            None => break tap.finish(&mut items),
        };
        if first_token.is_none() && items.iter().any(|item| item.content) {
            first_token = Some(since_start());
        }
        if pushed.is_err() {
            break pushed;
        }
    };
    match ended {
        Ok(()) => Ok(first_token.unwrap_or_else(since_start)),
        Err(fault) => {
            let fault = content_fault(fault, kind, &answer.headers.to_map(), &mut evidence);
            evidence.fault = Some(Fault::Content(fault));
            Err(evidence)
        }
    }
}

/// The smallest question, in the provider's own dialect.
fn question(kind: &Kind, model: &str) -> Value {
    let messages = json!([{"role": "user", "content": "Say ok."}]);
    match kind.dialect {
        Dialect::AnthropicMessages => {
            json!({"model": model, "max_tokens": 1, "stream": true, "messages": messages})
        }
        Dialect::Gemini => json!({
            "contents": [{"role": "user", "parts": [{"text": "Say ok."}]}],
            "generationConfig": {"maxOutputTokens": ANSWERED},
        }),
        Dialect::OpenaiChat | Dialect::MistralChat => {
            let limit =
                if kind.has(Deviation::MaxTokensOnly) || kind.dialect == Dialect::MistralChat {
                    "max_tokens"
                } else {
                    "max_completion_tokens"
                };
            let mut body = json!({"model": model, "stream": true, "messages": messages});
            if let Some(members) = body.as_object_mut() {
                members.insert(limit.to_owned(), Value::from(ANSWERED));
            }
            body
        }
    }
}

fn content_fault(
    fault: StreamFault,
    kind: &Kind,
    headers: &http::HeaderMap,
    evidence: &mut Evidence,
) -> ContentFault {
    match fault {
        StreamFault::Malformed { event, what } => ContentFault::StreamMalformed { event, what },
        StreamFault::TooLarge { limit } => ContentFault::EventTooLarge {
            limit: u64::try_from(limit).unwrap_or(u64::MAX),
        },
        StreamFault::Incomplete => ContentFault::StreamIncomplete,
        StreamFault::ErrorEvent(words) => {
            evidence.signal = Some(provider::signal_of(kind, 200, headers, *words));
            ContentFault::StreamError
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_model_goes_before_the_cheapest_and_the_first() {
        let kind = provider::kind("openai").unwrap();
        let listed = [
            "unpriced".to_owned(),
            "gpt-5".to_owned(),
            "gpt-5-mini".to_owned(),
        ];
        let check = |configured, listed: &[String]| model_for(kind, configured, listed);
        assert_eq!(check(Some("own"), &listed).as_deref(), Some("own"));
        assert_eq!(check(None, &listed).as_deref(), Some("gpt-5-mini"));
        assert_eq!(check(None, &listed[..1]).as_deref(), Some("unpriced"));
        assert_eq!(check(None, &[]), None);
    }
}
