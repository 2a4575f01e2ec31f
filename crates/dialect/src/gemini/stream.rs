//! Reads a server's stream: each event is a whole answer's shape with a part of its content.

use types::TokenUsage;

use crate::canonical::{Event, Finish, Loss};
use crate::error_words;
use crate::gemini::reply::{self, Part};
use crate::json::{Node, Object};
use crate::stream::{Calls, Odd, Piece};

/// The state of one stream.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    begun: bool,
    id: String,
    candidates: Vec<Candidate>,
}

#[derive(Debug, Default)]
struct Candidate {
    index: u32,
    calls: Calls,
    count: u64,
    /// The last finish reason. It is given at the end: some models say it with every piece.
    finish: Option<String>,
}

impl Decoder {
    /// Reads a chunk.
    pub(crate) fn chunk(
        &mut self,
        mut members: Object<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Odd> {
        let candidates = members.list("candidates");
        let blocked = reply::block_reason(&mut members);
        let usage = reply::usage(members.child("usageMetadata"));
        if let Some(reason) = blocked.filter(|_| candidates.is_empty() && !self.begun) {
            return Err(Odd::Error(Box::new(error_words::of_blocked_prompt(
                &reason,
            ))));
        }
        if !self.begun && !candidates.is_empty() {
            self.begun = true;
            let id = members.string("responseId");
            self.id = id.clone().unwrap_or_default();
            out.push(Event::Begin {
                id,
                model: members.string("modelVersion"),
            });
        }
        for node in candidates {
            self.candidate(node, out)?;
        }
        if usage != TokenUsage::default() {
            out.push(Event::Usage(usage));
        }
        Ok(())
    }

    /// The bytes have ended: gives the finish reasons, and whether every answer has one.
    pub(crate) fn finish(&mut self, out: &mut Vec<Event>) -> bool {
        let complete =
            !self.candidates.is_empty() && self.candidates.iter().all(|each| each.finish.is_some());
        if complete {
            for candidate in &self.candidates {
                let word = candidate.finish.as_deref().unwrap_or_default();
                let finish = reply::finish(word, candidate.calls.any());
                // Failures ended the stream before.
                let finish = finish.unwrap_or_else(Finish::Other);
                let finish = match finish {
                    Finish::Other(word) if candidate.count == 0 => {
                        Finish::ContentFilter(Some(word))
                    }
                    other => other,
                };
                out.push(Event::Finish {
                    choice: candidate.index,
                    finish,
                });
            }
        }
        complete
    }

    fn candidate(&mut self, node: Node<'_>, out: &mut Vec<Event>) -> Result<(), Odd> {
        let mut members = node
            .object()
            .ok_or_else(|| Odd::shape("a candidate is no object"))?;
        let index = members
            .count("index")
            .and_then(|index| u32::try_from(index).ok())
            .unwrap_or(0);
        let known = self
            .candidates
            .iter()
            .position(|candidate| candidate.index == index);
        let at = known.unwrap_or_else(|| {
            self.candidates.push(Candidate {
                index,
                ..Candidate::default()
            });
            self.candidates.len() - 1
        });
        let Some(candidate) = self.candidates.get_mut(at) else {
            return Ok(());
        };
        for node in members
            .child("content")
            .map(|mut content| content.list("parts"))
            .unwrap_or_default()
        {
            if let Some(part) = node.object() {
                candidate.part(part, &self.id, out);
            }
        }
        if let Some(word) = members.string("finishReason") {
            reply::finish(&word, false)
                .map_err(|word| Odd::error(&word, members.string("finishMessage")))?;
            candidate.finish = Some(word);
        }
        Ok(())
    }
}

impl Candidate {
    fn part(&mut self, part: Object<'_>, answer: &str, out: &mut Vec<Event>) {
        let choice = self.index;
        match Part::read(part) {
            Part::Text(text) => {
                self.count += 1;
                out.push(Event::Text { choice, text });
            }
            Part::Thought(text) => {
                self.count += 1;
                out.push(Event::Thinking { choice, text });
            }
            Part::Call(call) => {
                self.count += 1;
                // Calls come whole: each is a new one.
                let piece = Piece {
                    number: Some(self.count),
                    id: call.id,
                    name: call.name,
                    signature: call.signature,
                    arguments: call.arguments.0,
                };
                self.calls.add(piece, answer, choice, out);
            }
            Part::Other(kind) => {
                out.push(Event::Lost(Loss::new(
                    format!("parts.{kind}"),
                    "the client's format has no place for it",
                )));
            }
            Part::Empty => {}
        }
    }
}
