//! Puts the pieces of tool calls together: which piece belongs to which call, each name and id once, and arguments
//! whose pieces make one JSON text.

use crate::canonical::{Arguments, Event};
use crate::ids;

/// The calls of one answer.
#[derive(Debug, Default)]
pub(crate) struct Calls(Vec<Open>);

#[derive(Debug, Default)]
struct Open {
    /// The number the server gives it, which need not be its own.
    number: Option<u64>,
    id: String,
    name: String,
    signature: Option<String>,
    arguments: String,
    /// Whether [`Event::ToolStart`] went out.
    started: bool,
}

/// A piece of a call, as it came.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) number: Option<u64>,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) signature: Option<String>,
    pub(crate) arguments: String,
}

impl Calls {
    /// Whether any call has begun.
    pub(crate) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Takes a piece and gives the events it makes. `answer` is the answer's id, for calls that come without one.
    pub(crate) fn add(&mut self, piece: Piece, answer: &str, choice: u32, out: &mut Vec<Event>) {
        let at = match self.place(&piece) {
            Some(at) => at,
            None => {
                self.0.push(Open {
                    number: piece.number,
                    ..Open::default()
                });
                self.0.len() - 1
            }
        };
        let Some(open) = self.0.get_mut(at) else {
            return;
        };
        let call = u32::try_from(at).unwrap_or(u32::MAX);
        if open.id.is_empty() {
            open.id = piece.id;
        }
        if open.name.is_empty() {
            open.name = piece.name;
        }
        open.signature = piece.signature.or_else(|| open.signature.take());
        open.arguments.push_str(&piece.arguments);
        if open.started {
            push_arguments(choice, call, piece.arguments, out);
        } else if !open.name.is_empty() {
            open.started = true;
            if open.id.is_empty() {
                open.id = ids::made_up(answer, choice, call, &open.name);
            }
            out.push(Event::ToolStart {
                choice,
                call,
                id: open.id.clone(),
                name: open.name.clone(),
                signature: open.signature.clone(),
            });
            push_arguments(choice, call, open.arguments.clone(), out);
        }
    }

    /// The call that a piece continues; `None` for a new one. Servers repeat the number 0 for every call: a new id,
    /// or another name, means a new call.
    fn place(&self, piece: &Piece) -> Option<usize> {
        let same_number = |open: &Open| piece.number.is_none() || open.number == piece.number;
        let at = self.0.iter().rposition(same_number)?;
        let open = self.0.get(at)?;
        let other_id =
            !piece.id.is_empty() && !open.id.is_empty() && piece.id != open.id && open.started;
        let other_name = !piece.name.is_empty() && !open.name.is_empty() && piece.name != open.name;
        let again = !piece.name.is_empty()
            && piece.id.is_empty()
            && !open.arguments.is_empty()
            && Arguments(open.arguments.clone()).as_object().is_some();
        (!other_id && !other_name && !again).then_some(at)
    }

    /// The answer ends: a call without arguments has the empty object.
    pub(crate) fn finish(&self, choice: u32, out: &mut Vec<Event>) {
        for (call, open) in (0..).zip(&self.0) {
            if open.started && open.arguments.trim_ascii().is_empty() {
                push_arguments(choice, call, "{}".to_owned(), out);
            }
        }
    }
}

fn push_arguments(choice: u32, call: u32, fragment: String, out: &mut Vec<Event>) {
    if !fragment.is_empty() {
        out.push(Event::ToolArguments {
            choice,
            call,
            fragment,
        });
    }
}
