//! Reads a server's stream of events.

use crate::anthropic_messages::reply::{self, Counters};
use crate::canonical::{Event, Finish, Loss};
use crate::json::{Object, Shape};
use crate::stream::Odd;

/// The state of one stream.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    begun: bool,
    /// Why the answer ends. It is given with the terminal event, so that an answer cut before that has no end.
    finish: Option<Finish>,
    counters: Counters,
    blocks: Vec<Open>,
    calls: u32,
    /// Half a character whose other half is in the next delta.
    half: Option<u16>,
}

/// A block between its start and its stop.
#[derive(Debug)]
struct Open {
    index: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Text or thinking.
    Words,
    /// A call of a tool, and what it was started with, until arguments come.
    Call { call: u32, pending: Option<String> },
}

impl Decoder {
    /// Reads an event; true for the terminal one.
    pub(crate) fn event(
        &mut self,
        mut members: Object<'_>,
        out: &mut Vec<Event>,
    ) -> Result<bool, Odd> {
        let kind = members
            .string("type")
            .ok_or_else(|| Odd::shape("there is no `type`"))?;
        match kind.as_str() {
            "message_start" => self.start(&mut members, out),
            "content_block_start" => self.block_start(&mut members, out)?,
            "content_block_delta" => self.delta(&mut members, out)?,
            "content_block_stop" => self.block_stop(&mut members, out),
            "message_delta" => self.message_delta(&mut members, out),
            "message_stop" => {
                let finish = self.finish.take();
                let finish = finish
                    .ok_or_else(|| Odd::shape("`message_stop` came without a `stop_reason`"))?;
                out.push(Event::Finish { choice: 0, finish });
                return Ok(true);
            }
            "ping" => out.push(Event::Ping),
            // New types may be added at any time.
            _ => {}
        }
        Ok(false)
    }

    fn start(&mut self, members: &mut Object<'_>, out: &mut Vec<Event>) {
        let Some(mut message) = members.child("message") else {
            return;
        };
        self.counters.take(message.child("usage"));
        if !self.begun {
            self.begun = true;
            out.push(Event::Begin {
                id: message.string("id"),
                model: message.string("model"),
            });
            self.push_usage(out);
        }
    }

    fn push_usage(&self, out: &mut Vec<Event>) {
        let usage = self.counters.usage();
        if !usage.is_unknown() {
            out.push(Event::Usage(usage));
        }
    }

    fn block_start(&mut self, members: &mut Object<'_>, out: &mut Vec<Event>) -> Result<(), Odd> {
        let index = members.count("index").unwrap_or(0);
        let mut block = members
            .child("content_block")
            .ok_or_else(|| Odd::shape("there is no `content_block`"))?;
        self.blocks.retain(|open| open.index != index);
        let kind = block.string("type").unwrap_or_default();
        let kind = match kind.as_str() {
            "text" => {
                push_text(block.string("text"), out);
                Kind::Words
            }
            "thinking" => {
                push_thinking(block.string("thinking"), out);
                push_signature(block.string("signature"), out);
                Kind::Words
            }
            "redacted_thinking" => {
                let sealed = block.string("data").unwrap_or_default();
                out.push(Event::RedactedThinking { choice: 0, sealed });
                Kind::Words
            }
            "tool_use" => {
                let call = self.calls;
                self.calls = self.calls.saturating_add(1);
                let id = block.string("id").unwrap_or_default();
                let name = block.string("name").unwrap_or_default();
                out.push(Event::ToolStart {
                    choice: 0,
                    call,
                    id,
                    name,
                    signature: None,
                });
                let input = block
                    .take("input")
                    .filter(|node| node.shape() == Shape::Object);
                Kind::Call {
                    call,
                    pending: Some(
                        input.map_or_else(|| "{}".to_owned(), |node| node.as_str().to_owned()),
                    ),
                }
            }
            other => {
                out.push(Event::Lost(Loss::new(
                    format!("content.{other}"),
                    "the client's format has no place for it",
                )));
                return Ok(());
            }
        };
        self.blocks.push(Open { index, kind });
        Ok(())
    }

    fn delta(&mut self, members: &mut Object<'_>, out: &mut Vec<Event>) -> Result<(), Odd> {
        let index = members.count("index").unwrap_or(0);
        let mut delta = members
            .child("delta")
            .ok_or_else(|| Odd::shape("there is no `delta`"))?;
        let Some(open) = self.blocks.iter_mut().find(|open| open.index == index) else {
            return Ok(());
        };
        let half = &mut self.half;
        match (
            delta.string("type").unwrap_or_default().as_str(),
            &mut open.kind,
        ) {
            ("text_delta", _) => push_text(
                delta.take("text").and_then(|node| node.text_part(half)),
                out,
            ),
            ("thinking_delta", _) => {
                push_thinking(
                    delta.take("thinking").and_then(|node| node.text_part(half)),
                    out,
                );
            }
            ("signature_delta", _) => push_signature(delta.string("signature"), out),
            ("input_json_delta", Kind::Call { call, pending }) => {
                let fragment = delta
                    .take("partial_json")
                    .and_then(|node| node.text_part(half))
                    .unwrap_or_default();
                if !fragment.is_empty() {
                    *pending = None;
                    out.push(Event::ToolArguments {
                        choice: 0,
                        call: *call,
                        fragment,
                    });
                }
            }
            ("input_json_delta", Kind::Words) => {
                return Err(Odd::shape("arguments came for a block of text"));
            }
            ("citations_delta", _) => {
                out.push(Event::Lost(Loss::new(
                    "content[].citations",
                    "the client's format has no place for them",
                )));
            }
            _ => {}
        }
        Ok(())
    }

    fn block_stop(&mut self, members: &mut Object<'_>, out: &mut Vec<Event>) {
        let index = members.count("index").unwrap_or(0);
        if let Some(at) = self.blocks.iter().position(|open| open.index == index) {
            close(self.blocks.remove(at), out);
        }
    }

    fn message_delta(&mut self, members: &mut Object<'_>, out: &mut Vec<Event>) {
        self.counters.take(members.child("usage"));
        self.push_usage(out);
        let Some(mut delta) = members.child("delta") else {
            return;
        };
        let Some(word) = delta.string("stop_reason") else {
            return;
        };
        for open in self.blocks.drain(..) {
            close(open, out);
        }
        self.finish = Some(reply::finish(&word, &mut delta));
    }
}

/// A call whose arguments never came has those it was started with, mostly none.
fn close(open: Open, out: &mut Vec<Event>) {
    if let Kind::Call {
        call,
        pending: Some(fragment),
    } = open.kind
    {
        out.push(Event::ToolArguments {
            choice: 0,
            call,
            fragment,
        });
    }
    out.push(Event::BlockEnd { choice: 0 });
}

fn push_text(text: Option<String>, out: &mut Vec<Event>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        out.push(Event::Text { choice: 0, text });
    }
}

fn push_thinking(text: Option<String>, out: &mut Vec<Event>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        out.push(Event::Thinking { choice: 0, text });
    }
}

fn push_signature(signature: Option<String>, out: &mut Vec<Event>) {
    if let Some(signature) = signature.filter(|signature| !signature.is_empty()) {
        out.push(Event::ThinkingSignature {
            choice: 0,
            signature,
        });
    }
}
