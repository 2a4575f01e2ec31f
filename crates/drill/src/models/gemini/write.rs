//! Gemini's form of answers: calls come whole, thoughts are parts, a stream is events or one JSON array.

use super::Framing;
use crate::answer::{Answer, Event, EventKind};
use crate::json::{Json, array, object};
use crate::models::Exchange;
use crate::models::ask::Ask;
use crate::reply::{Finish, Reply, Usage};

/// What stands where a real model's thoughts would be signed.
const SIGNATURE: &str = "ZHJpbGw6c2lnbmF0dXJl";

pub(super) fn answer(
    ask: &Ask,
    reply: &Reply,
    exchange: &Exchange<'_>,
    framing: Option<Framing>,
) -> Answer {
    let form = Form {
        id: reply
            .id
            .clone()
            .unwrap_or_else(|| format!("drill{:017}", exchange.n)),
        model: reply.model.clone().unwrap_or_else(|| ask.model.clone()),
        answers: ask.answers.clamp(1, 8),
        usage: usage(reply.used(ask.input_tokens), ask.answers.clamp(1, 8)),
    };
    match framing {
        None => Answer::json(200, &form.whole(reply)),
        Some(Framing::Events) => {
            let events = form
                .chunks(reply)
                .into_iter()
                .map(|(kind, chunk)| Event::raw(kind, format!("data: {chunk}\r\n\r\n")));
            Answer::events(events.collect())
        }
        Some(Framing::Array) => {
            let chunks = form.chunks(reply);
            let mut events = Vec::new();
            for (n, (kind, chunk)) in chunks.into_iter().enumerate() {
                let before = if n == 0 { "[" } else { ",\r\n" };
                events.push(Event::raw(kind, format!("{before}{chunk}")));
            }
            events.push(Event::raw(EventKind::Terminal, "\n]"));
            let mut answer = Answer::events(events);
            answer.set("content-type", "application/json; charset=UTF-8");
            answer
        }
    }
}

struct Form {
    id: String,
    model: String,
    answers: usize,
    usage: Json,
}

impl Form {
    fn whole(&self, reply: &Reply) -> Json {
        let mut parts = Vec::new();
        if let Some(thought) = &reply.reasoning {
            parts.push(thought_part(thought));
        }
        let text = reply.whole_text();
        if !text.is_empty() {
            // Without calls the signature is on the text.
            let signature = reply
                .signature
                .as_ref()
                .filter(|_| reply.tool_calls.is_empty());
            parts
                .push(object! { "text" => text, "thoughtSignature" => Json::or_absent(signature) });
        }
        parts.extend(call_parts(reply));
        let all = (0..self.answers).map(|index| {
            object! {
                "content" => object! { "parts" => parts.clone(), "role" => "model" },
                "finishReason" => finish(reply.ends_by()), "index" => index,
            }
        });
        self.chunk(all.collect(), self.usage.clone())
    }

    fn chunks(&self, reply: &Reply) -> Vec<(EventKind, Json)> {
        let mut chunks = Vec::new();
        for index in 0..self.answers {
            let mut push = |kind, parts: Vec<Json>, finish: Option<&str>| {
                let candidate = object! {
                    "content" => object! { "parts" => parts, "role" => "model" },
                    "finishReason" => Json::or_absent(finish), "index" => index,
                };
                chunks.push((kind, self.chunk(vec![candidate], self.usage.clone())));
            };
            if let Some(thought) = &reply.reasoning {
                push(EventKind::Content, vec![thought_part(thought)], None);
            }
            for piece in reply.text_pieces() {
                push(EventKind::Content, vec![object! { "text" => piece }], None);
            }
            let calls = call_parts(reply);
            let called = !calls.is_empty();
            if called {
                push(EventKind::Content, calls, None);
            }
            // The newest models end with an empty text; without calls it bears the signature.
            let signature = reply.signature.as_ref().filter(|_| !called);
            let last = object! { "text" => "", "thoughtSignature" => Json::or_absent(signature) };
            push(EventKind::Finish, vec![last], Some(finish(reply.ends_by())));
        }
        chunks
    }

    fn chunk(&self, candidates: Vec<Json>, usage: Json) -> Json {
        object! {
            "candidates" => candidates, "usageMetadata" => usage, "modelVersion" => &self.model,
            "responseId" => &self.id,
        }
    }
}

fn thought_part(thought: &str) -> Json {
    object! { "text" => thought, "thought" => true }
}

/// The calls, whole; the first bears the signature.
fn call_parts(reply: &Reply) -> Vec<Json> {
    let calls = reply.tool_calls.iter().enumerate().map(|(at, call)| {
        let function = object! {
            "name" => &call.name, "args" => Json::raw(&call.arguments),
            "id" => Json::or_absent(call.id.as_ref()),
        };
        let signature = reply.signature.as_deref().unwrap_or(SIGNATURE);
        object! {
            "functionCall" => function,
            "thoughtSignature" => Json::or_absent((at == 0).then_some(signature)),
        }
    });
    calls.collect()
}

fn finish(finish: Finish) -> &'static str {
    match finish {
        // Gemini says STOP with calls, too.
        Finish::Auto | Finish::Stop | Finish::ToolCalls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::ContentFilter => "SAFETY",
    }
}

/// Gemini's candidate tokens exclude thoughts; its prompt tokens include cached ones.
fn usage(used: Usage, answers: usize) -> Json {
    let answers = u64::try_from(answers).unwrap_or(1);
    let shown = used
        .output
        .saturating_sub(used.reasoning)
        .saturating_mul(answers);
    let thoughts = used.reasoning.saturating_mul(answers);
    let total = used.input.saturating_add(shown).saturating_add(thoughts);
    let detail = object! { "modality" => "TEXT", "tokenCount" => used.input };
    object! {
        "promptTokenCount" => used.input, "candidatesTokenCount" => shown, "totalTokenCount" => total,
        "cachedContentTokenCount" => Json::or_absent((used.cached > 0).then_some(used.cached)),
        "promptTokensDetails" => array![detail],
        "thoughtsTokenCount" => Json::or_absent((thoughts > 0).then_some(thoughts)),
    }
}
