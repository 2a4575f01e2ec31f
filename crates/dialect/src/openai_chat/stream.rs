//! Reads a server's stream of chunks. Mistral's chunks are read here, too: they differ in small ways that others show.

use types::TokenUsage;

use crate::canonical::{Event, Finish, Loss};
use crate::json::{Node, Object, Shape};
use crate::openai_chat::parts;
use crate::stream::{Calls, Odd, Piece};

/// The state of one stream.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    begun: bool,
    id: String,
    choices: Vec<Choice>,
}

#[derive(Debug, Default)]
struct Choice {
    index: u32,
    calls: Calls,
    finished: bool,
    /// Half a character whose other half is in the next chunk: of the text, of the thinking, of the arguments.
    text: Option<u16>,
    thinking: Option<u16>,
    arguments: Option<u16>,
}

impl Decoder {
    /// Whether a chunk of an answer was seen.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether every answer has its finish reason.
    pub(crate) fn is_complete(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finished)
    }

    /// Reads a chunk.
    pub(crate) fn chunk(
        &mut self,
        mut members: Object<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Odd> {
        let usage = parts::usage(members.child("usage"));
        if let Some(node) = members.take("choices") {
            let choices = node
                .elements()
                .ok_or_else(|| Odd::shape("`choices` is no array"))?;
            // A first chunk without choices and with an empty id is Azure's and begins nothing.
            if !choices.is_empty() {
                self.begin(&mut members, out);
            }
            for choice in choices {
                self.choice(choice, out)?;
            }
        }
        if usage != TokenUsage::default() {
            out.push(Event::Usage(usage));
        }
        Ok(())
    }

    fn begin(&mut self, members: &mut Object<'_>, out: &mut Vec<Event>) {
        if self.begun {
            return;
        }
        self.begun = true;
        let id = members.string("id").filter(|id| !id.is_empty());
        self.id = id.clone().unwrap_or_default();
        out.push(Event::Begin {
            id,
            model: members.string("model").filter(|model| !model.is_empty()),
        });
    }

    fn choice(&mut self, node: Node<'_>, out: &mut Vec<Event>) -> Result<(), Odd> {
        let mut members = node
            .object()
            .ok_or_else(|| Odd::shape("a choice is no object"))?;
        let index = members
            .count("index")
            .and_then(|index| u32::try_from(index).ok())
            .unwrap_or(0);
        let known = self.choices.iter().position(|choice| choice.index == index);
        let at = known.unwrap_or_else(|| {
            self.choices.push(Choice {
                index,
                ..Choice::default()
            });
            self.choices.len() - 1
        });
        let Some(choice) = self.choices.get_mut(at) else {
            return Ok(());
        };
        if choice.finished {
            return Ok(());
        }
        // Some servers answer a stream with one event that holds the whole message.
        let said = members.child("delta").or_else(|| members.child("message"));
        if let Some(delta) = said {
            choice.delta(delta, &self.id, out);
        }
        if let Some(word) = members
            .text("finish_reason")
            .filter(|word| !word.is_empty())
        {
            let finish = parts::finish(&word, choice.calls.any());
            if finish == Finish::Other("error".to_owned()) {
                return Err(Odd::error(
                    "error",
                    Some("the stream ended with finish_reason `error`".to_owned()),
                ));
            }
            if choice.text.take().is_some() {
                out.push(Event::Text {
                    choice: index,
                    text: char::REPLACEMENT_CHARACTER.to_string(),
                });
            }
            choice.calls.finish(index, out);
            choice.finished = true;
            out.push(Event::Finish {
                choice: index,
                finish,
            });
        }
        Ok(())
    }
}

impl Choice {
    fn delta(&mut self, mut delta: Object<'_>, answer: &str, out: &mut Vec<Event>) {
        let choice = self.index;
        delta.take("role");
        let other = delta.take("reasoning");
        if let Some(node) = delta.take("reasoning_content").or(other) {
            self.thinking(node, out);
        }
        if let Some(content) = delta.take("content") {
            self.content(content, out);
        }
        if let Some(text) = delta.string("refusal").filter(|text| !text.is_empty()) {
            out.push(Event::Refusal { choice, text });
        }
        for node in delta.list("tool_calls") {
            self.call(node, answer, out);
        }
        for (key, value) in delta.rest() {
            if !matches!(value.as_str(), "\"\"" | "[]" | "{}" | "false") {
                out.push(Event::Lost(Loss::new(
                    format!("delta.{key}"),
                    "it is not known here",
                )));
            }
        }
    }

    /// A string, or Mistral's list of chunks.
    fn content(&mut self, node: Node<'_>, out: &mut Vec<Event>) {
        let choice = self.index;
        if let Some(text) = node.text_part(&mut self.text) {
            if !text.is_empty() {
                out.push(Event::Text { choice, text });
            }
            return;
        }
        for part in node.elements().unwrap_or_default() {
            let Some(mut members) = part.object() else {
                continue;
            };
            let kind = members.string("type").unwrap_or_default();
            match kind.as_str() {
                "thinking" => {
                    for piece in members.list("thinking") {
                        let text = piece.object().and_then(|mut piece| piece.take("text"));
                        if let Some(text) = text {
                            self.thinking(text, out);
                        }
                    }
                }
                "text" => {
                    if let Some(text) = members.take("text") {
                        self.content(text, out);
                    }
                }
                other => out.push(Event::Lost(Loss::new(
                    format!("content.{other}"),
                    "it is no text",
                ))),
            }
        }
    }

    fn thinking(&mut self, node: Node<'_>, out: &mut Vec<Event>) {
        if let Some(text) = node
            .text_part(&mut self.thinking)
            .filter(|text| !text.is_empty())
        {
            out.push(Event::Thinking {
                choice: self.index,
                text,
            });
        }
    }

    fn call(&mut self, node: Node<'_>, answer: &str, out: &mut Vec<Event>) {
        let Some(mut members) = node.object() else {
            return;
        };
        let mut function = members.child("function").unwrap_or_default();
        let arguments = function.take("arguments").map(|node| match node.shape() {
            Shape::Text => node.text_part(&mut self.arguments).unwrap_or_default(),
            _ => node.as_str().to_owned(),
        });
        let piece = Piece {
            number: members.count("index"),
            id: members
                .string("id")
                .filter(|id| id != "null")
                .unwrap_or_default(),
            name: function.string("name").unwrap_or_default(),
            signature: parts::take_signature(&mut members),
            arguments: arguments.unwrap_or_default(),
        };
        self.calls.add(piece, answer, self.index, out);
    }
}
