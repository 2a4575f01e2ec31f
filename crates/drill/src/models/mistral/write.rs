//! Mistral's form of answers: calls come whole, in the closing chunk; thinking is a part of a content list.

use crate::answer::{Answer, Event, EventKind};
use crate::json::{Json, array, object};
use crate::models::Exchange;
use crate::models::ask::{Ask, Delivery};
use crate::reply::{Finish, Reply, ToolCall, Usage};

pub(super) fn answer(ask: &Ask, reply: &Reply, exchange: &Exchange<'_>) -> Answer {
    let form = Form {
        id: reply
            .id
            .clone()
            .unwrap_or_else(|| format!("drill{:027}", exchange.n)),
        model: reply.model.clone().unwrap_or_else(|| ask.model.clone()),
        created: exchange.created,
        n: exchange.n,
        answers: ask.answers.clamp(1, 16),
        usage: usage(reply.used(ask.input_tokens), ask.answers.clamp(1, 16)),
    };
    match ask.delivery {
        Delivery::Whole => Answer::json(200, &form.whole(reply)),
        Delivery::Stream | Delivery::StreamWithUsage => Answer::events(form.chunks(reply)),
    }
}

struct Form {
    id: String,
    model: String,
    created: u64,
    n: u64,
    answers: usize,
    usage: Json,
}

impl Form {
    fn whole(&self, reply: &Reply) -> Json {
        let text = reply.whole_text();
        let content = match &reply.reasoning {
            None => Json::from(text),
            Some(thought) if text.is_empty() => array![thinking(thought)],
            Some(thought) => {
                array![
                    thinking(thought),
                    object! { "type" => "text", "text" => text }
                ]
            }
        };
        let choices = (0..self.answers).map(|index| {
            let calls = self.calls(reply, index);
            object! {
                "index" => index,
                "message" => object! {
                    "role" => "assistant", "tool_calls" => Json::or_null(calls),
                    "content" => content.clone(), "prefix" => false,
                },
                "finish_reason" => finish(reply.ends_by()),
            }
        });
        object! {
            "id" => &self.id, "object" => "chat.completion", "created" => self.created,
            "model" => &self.model, "choices" => Json::Array(choices.collect()),
            "usage" => self.usage.clone(),
        }
    }

    fn chunks(&self, reply: &Reply) -> Vec<Event> {
        let mut events = Vec::new();
        for index in 0..self.answers {
            let mut push = |kind, delta: Json, finish: Option<&str>, usage: Json| {
                let choice = object! {
                    "index" => index, "delta" => delta, "finish_reason" => Json::or_null(finish),
                };
                let chunk = object! {
                    "id" => &self.id, "object" => "chat.completion.chunk", "created" => self.created,
                    "model" => &self.model, "choices" => array![choice], "usage" => usage,
                };
                events.push(Event::data(kind, &chunk));
            };
            let role = object! { "role" => "assistant", "content" => "" };
            push(EventKind::Lifecycle, role, None, Json::Absent);
            if let Some(thought) = &reply.reasoning {
                let delta = object! { "content" => array![thinking(thought)] };
                push(EventKind::Content, delta, None, Json::Absent);
            }
            for piece in reply.text_pieces() {
                push(
                    EventKind::Content,
                    object! { "content" => piece },
                    None,
                    Json::Absent,
                );
            }
            let calls = self.calls(reply, index);
            let kind = if calls.is_some() {
                EventKind::Content
            } else {
                EventKind::Finish
            };
            let delta = object! { "content" => "", "tool_calls" => Json::or_absent(calls) };
            let last = index.saturating_add(1) == self.answers;
            let usage = if last {
                self.usage.clone()
            } else {
                Json::Absent
            };
            push(kind, delta, Some(finish(reply.ends_by())), usage);
        }
        events.push(Event::raw(EventKind::Terminal, "data: [DONE]\n\n"));
        events
    }

    fn calls(&self, reply: &Reply, index: usize) -> Option<Vec<Json>> {
        let calls = reply.tool_calls.iter().enumerate().map(|(at, call)| {
            object! {
                "id" => self.call_id(call, index, at),
                "function" => object! { "name" => &call.name, "arguments" => &call.arguments },
                "index" => at,
            }
        });
        (!reply.tool_calls.is_empty()).then(|| calls.collect())
    }

    /// Nine letters and digits.
    fn call_id(&self, call: &ToolCall, index: usize, at: usize) -> String {
        let made = || {
            let (n, index, at) = (self.n % 100_000, index % 100, at % 100);
            format!("{n:05}{index:02}{at:02}")
        };
        call.id.clone().unwrap_or_else(made)
    }
}

fn thinking(thought: &str) -> Json {
    let text = object! { "type" => "text", "text" => thought };
    object! { "type" => "thinking", "thinking" => array![text] }
}

fn finish(finish: Finish) -> &'static str {
    match finish {
        // Mistral has no word for a filter.
        Finish::Auto | Finish::Stop | Finish::ContentFilter => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
    }
}

fn usage(used: Usage, answers: usize) -> Json {
    let output = used
        .output
        .saturating_mul(u64::try_from(answers).unwrap_or(1));
    let details = object! { "cached_tokens" => used.cached };
    object! {
        "prompt_tokens" => used.input, "total_tokens" => used.input.saturating_add(output),
        "completion_tokens" => output,
        "prompt_tokens_details" => Json::or_absent((used.cached > 0).then_some(details)),
    }
}
