//! Anthropic's form of answers: blocks, whole or as the events from `message_start` to `message_stop`.

use crate::answer::{Answer, Event, EventKind};
use crate::json::{Json, object};
use crate::models::Exchange;
use crate::models::ask::{Ask, Delivery};
use crate::reply::{Finish, Reply, ToolCall, Usage};

pub(super) fn answer(ask: &Ask, reply: &Reply, exchange: &Exchange<'_>) -> Answer {
    let form = Form {
        id: reply
            .id
            .clone()
            .unwrap_or_else(|| format!("msg_drill{:019}", exchange.n)),
        model: reply.model.clone().unwrap_or_else(|| ask.model.clone()),
        n: exchange.n,
        used: reply.used(ask.input_tokens),
    };
    match ask.delivery {
        Delivery::Whole => Answer::json(200, &form.whole(reply)),
        Delivery::Stream | Delivery::StreamWithUsage => Answer::events(form.events(reply)),
    }
}

struct Form {
    id: String,
    model: String,
    n: u64,
    used: Usage,
}

impl Form {
    fn whole(&self, reply: &Reply) -> Json {
        let mut content = Vec::new();
        if let Some(thought) = &reply.reasoning {
            content.push(object! {
                "type" => "thinking", "thinking" => thought, "signature" => signature(reply),
            });
        }
        let text = reply.whole_text();
        if !text.is_empty() {
            content.push(object! { "type" => "text", "text" => text });
        }
        for (at, call) in reply.tool_calls.iter().enumerate() {
            content.push(object! {
                "type" => "tool_use", "id" => self.call_id(call, at), "name" => &call.name,
                "input" => Json::raw(&call.arguments),
            });
        }
        let usage = usage(self.used, Some(self.used.output));
        self.message(content, stop_reason(reply).into(), reply, usage)
    }

    fn message(&self, content: Vec<Json>, reason: Json, reply: &Reply, usage: Json) -> Json {
        let refused = reply.ends_by() == Finish::ContentFilter;
        let details = object! {
            "type" => "refusal", "category" => Json::null(), "explanation" => Json::null(),
        };
        object! {
            "model" => &self.model, "id" => &self.id, "type" => "message", "role" => "assistant",
            "content" => content, "stop_reason" => reason,
            "stop_sequence" => Json::or_null(reply.stop_sequence.as_ref()),
            "stop_details" => Json::or_absent(refused.then_some(details)),
            "usage" => usage,
        }
    }

    fn events(&self, reply: &Reply) -> Vec<Event> {
        let mut stream = Stream::default();
        let empty = Reply::default();
        let start = self.message(Vec::new(), Json::null(), &empty, usage(self.used, Some(1)));
        let start = object! { "type" => "message_start", "message" => start };
        stream.push(EventKind::Lifecycle, "message_start", &start);
        if let Some(thought) = &reply.reasoning {
            stream.start(object! { "type" => "thinking", "thinking" => "", "signature" => "" });
            stream.delta("thinking_delta", "thinking", thought);
            stream.delta("signature_delta", "signature", &signature(reply));
            stream.stop();
        }
        let pieces = reply.text_pieces();
        if !pieces.is_empty() {
            stream.start(object! { "type" => "text", "text" => "" });
            for piece in pieces {
                stream.delta("text_delta", "text", &piece);
            }
            stream.stop();
        }
        for (at, call) in reply.tool_calls.iter().enumerate() {
            stream.start(object! {
                "type" => "tool_use", "id" => self.call_id(call, at), "name" => &call.name,
                "input" => object! {},
            });
            stream.delta("input_json_delta", "partial_json", "");
            let characters: Vec<char> = call.arguments.chars().collect();
            // A call without arguments brings no more than the empty beginning.
            for fragment in characters.chunks(8).filter(|_| call.arguments != "{}") {
                let text: String = fragment.iter().collect();
                stream.delta("input_json_delta", "partial_json", &text);
            }
            stream.stop();
        }
        let delta = object! {
            "type" => "message_delta",
            "delta" => object! {
                "stop_reason" => stop_reason(reply),
                "stop_sequence" => Json::or_null(reply.stop_sequence.as_ref()),
            },
            "usage" => usage(self.used, Some(self.used.output)),
        };
        stream.push(EventKind::Finish, "message_delta", &delta);
        stream.push(
            EventKind::Terminal,
            "message_stop",
            &object! { "type" => "message_stop" },
        );
        stream.events
    }

    fn call_id(&self, call: &ToolCall, at: usize) -> String {
        call.id
            .clone()
            .unwrap_or_else(|| format!("toolu_drill{:015}{at:02}", self.n))
    }
}

/// Events of blocks, one after the other.
#[derive(Default)]
struct Stream {
    events: Vec<Event>,
    index: usize,
}

impl Stream {
    fn push(&mut self, kind: EventKind, name: &str, data: &Json) {
        self.events.push(Event::named(kind, name, data));
    }

    fn start(&mut self, block: Json) {
        let start = object! {
            "type" => "content_block_start", "index" => self.index, "content_block" => block,
        };
        self.push(EventKind::Lifecycle, "content_block_start", &start);
        if self.index == 0 {
            self.push(EventKind::Lifecycle, "ping", &object! { "type" => "ping" });
        }
    }

    fn delta(&mut self, kind: &str, member: &str, text: &str) {
        let delta = object! {
            "type" => "content_block_delta", "index" => self.index,
            "delta" => object! { "type" => kind, member => text },
        };
        self.push(EventKind::Content, "content_block_delta", &delta);
    }

    fn stop(&mut self) {
        let stop = object! { "type" => "content_block_stop", "index" => self.index };
        self.push(EventKind::Lifecycle, "content_block_stop", &stop);
        self.index = self.index.saturating_add(1);
    }
}

fn signature(reply: &Reply) -> String {
    reply
        .signature
        .clone()
        .unwrap_or_else(|| "ZHJpbGw6c2lnbmF0dXJl".to_owned())
}

fn stop_reason(reply: &Reply) -> &'static str {
    match reply.ends_by() {
        Finish::Auto | Finish::Stop if reply.stop_sequence.is_some() => "stop_sequence",
        Finish::Auto | Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::ContentFilter => "refusal",
    }
}

/// Anthropic's input excludes what was read from or written to the cache; its output includes thinking.
fn usage(used: Usage, output: Option<u64>) -> Json {
    let cached = used.cached.saturating_add(used.cache_written);
    let thinking = object! { "thinking_tokens" => used.reasoning };
    object! {
        "input_tokens" => used.input.saturating_sub(cached),
        "cache_creation_input_tokens" => used.cache_written,
        "cache_read_input_tokens" => used.cached,
        "output_tokens" => Json::or_absent(output),
        "output_tokens_details" => Json::or_absent((used.reasoning > 0).then_some(thinking)),
        "service_tier" => "standard",
    }
}
