//! OpenAI's form of answers: whole, and as chunks.

use crate::answer::{Answer, Event, EventKind};
use crate::json::{Json, array, object};
use crate::models::Exchange;
use crate::models::ask::{Ask, Delivery};
use crate::reply::{Finish, Reply, ToolCall, Usage};

/// What says in every answer that it comes from a script.
const FINGERPRINT: &str = "goodgate-demo";

pub(super) fn answer(ask: &Ask, reply: &Reply, exchange: &Exchange<'_>) -> Answer {
    let form = Form {
        id: reply
            .id
            .clone()
            .unwrap_or_else(|| format!("chatcmpl-drill{:024}", exchange.n)),
        model: reply.model.clone().unwrap_or_else(|| ask.model.clone()),
        created: exchange.created,
        n: exchange.n,
        answers: ask.answers.clamp(1, 128),
        usage: usage(reply.used(ask.input_tokens), ask.answers.clamp(1, 128)),
    };
    match ask.delivery {
        Delivery::Whole => Answer::json(200, &form.whole(reply)),
        Delivery::Stream => Answer::events(form.chunks(reply, false)),
        Delivery::StreamWithUsage => Answer::events(form.chunks(reply, true)),
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
        let choices = (0..self.answers).map(|index| {
            let text = reply.whole_text();
            let content = (!text.is_empty() || reply.tool_calls.is_empty()).then_some(text);
            let calls = reply.tool_calls.iter().enumerate().map(|(at, call)| {
                object! {
                    "id" => self.call_id(call, index, at), "type" => "function",
                    "function" => object! { "name" => &call.name, "arguments" => &call.arguments },
                }
            });
            let calls: Vec<Json> = calls.collect();
            object! {
                "index" => index,
                "message" => object! {
                    "role" => "assistant",
                    "content" => Json::or_null(content),
                    "reasoning_content" => Json::or_absent(reply.reasoning.as_ref()),
                    "tool_calls" => Json::or_absent((!calls.is_empty()).then_some(calls)),
                    "refusal" => Json::null(),
                    "annotations" => array![],
                },
                "logprobs" => Json::null(),
                "finish_reason" => finish(reply.ends_by()),
            }
        });
        object! {
            "id" => &self.id, "object" => "chat.completion", "created" => self.created,
            "model" => &self.model, "choices" => Json::Array(choices.collect()),
            "usage" => self.usage.clone(),
            "service_tier" => "default", "system_fingerprint" => FINGERPRINT,
        }
    }

    fn chunks(&self, reply: &Reply, include_usage: bool) -> Vec<Event> {
        let null_usage = if include_usage {
            Json::null()
        } else {
            Json::Absent
        };
        let mut events = Vec::new();
        let mut push = |kind, index: usize, delta: Json, finish: Option<&str>| {
            let choice = object! {
                "index" => index, "delta" => delta, "logprobs" => Json::null(),
                "finish_reason" => Json::or_null(finish),
            };
            events.push(Event::data(
                kind,
                &self.chunk(array![choice], null_usage.clone()),
            ));
        };
        for index in 0..self.answers {
            let start = if reply.tool_calls.is_empty() {
                Json::from("")
            } else {
                Json::null()
            };
            let role =
                object! { "role" => "assistant", "content" => start, "refusal" => Json::null() };
            push(EventKind::Lifecycle, index, role, None);
            if let Some(reasoning) = &reply.reasoning {
                let delta = object! { "reasoning_content" => reasoning };
                push(EventKind::Content, index, delta, None);
            }
            for piece in reply.text_pieces() {
                push(
                    EventKind::Content,
                    index,
                    object! { "content" => piece },
                    None,
                );
            }
            for (at, call) in reply.tool_calls.iter().enumerate() {
                for delta in self.call_deltas(call, index, at) {
                    push(EventKind::Content, index, delta, None);
                }
            }
            push(
                EventKind::Finish,
                index,
                object! {},
                Some(finish(reply.ends_by())),
            );
        }
        if include_usage {
            events.push(Event::data(
                EventKind::Finish,
                &self.chunk(array![], self.usage.clone()),
            ));
        }
        events.push(Event::raw(EventKind::Terminal, "data: [DONE]\n\n"));
        events
    }

    fn chunk(&self, choices: Json, usage: Json) -> Json {
        object! {
            "id" => &self.id, "object" => "chat.completion.chunk", "created" => self.created,
            "model" => &self.model, "service_tier" => "default",
            "system_fingerprint" => FINGERPRINT, "choices" => choices, "usage" => usage,
        }
    }

    /// Id and name once, then the arguments in fragments.
    fn call_deltas(&self, call: &ToolCall, index: usize, at: usize) -> Vec<Json> {
        let start = object! {
            "index" => at, "id" => self.call_id(call, index, at), "type" => "function",
            "function" => object! { "name" => &call.name, "arguments" => "" },
        };
        let mut deltas = vec![object! { "tool_calls" => array![start] }];
        let characters: Vec<char> = call.arguments.chars().collect();
        for fragment in characters.chunks(8) {
            let text: String = fragment.iter().collect();
            let part = object! { "index" => at, "function" => object! { "arguments" => text } };
            deltas.push(object! { "tool_calls" => array![part] });
        }
        deltas
    }

    fn call_id(&self, call: &ToolCall, index: usize, at: usize) -> String {
        let made = || format!("call_drill{:015}{index:02}{at:02}", self.n);
        call.id.clone().unwrap_or_else(made)
    }
}

fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Auto | Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
    }
}

fn usage(used: Usage, answers: usize) -> Json {
    let answers = u64::try_from(answers).unwrap_or(1);
    let output = used.output.saturating_mul(answers);
    object! {
        "prompt_tokens" => used.input,
        "completion_tokens" => output,
        "total_tokens" => used.input.saturating_add(output),
        "prompt_tokens_details" => object! {
            "cached_tokens" => used.cached, "cache_write_tokens" => used.cache_written,
            "audio_tokens" => 0,
        },
        "completion_tokens_details" => object! {
            "reasoning_tokens" => used.reasoning.saturating_mul(answers), "audio_tokens" => 0,
            "accepted_prediction_tokens" => 0, "rejected_prediction_tokens" => 0,
        },
    }
}
