//! From an answer to what the client gets: head, body, and the settlement when the body has ended.

mod body;

pub mod head;

pub mod hold;

mod midstream;

mod plain;

mod reply;

mod stream;

mod tunnel;

use std::sync::Arc;

use http1::answer::Lines;

use crate::attempt::{Answer, AnswerBody, Answered};
use crate::gate::Gate;
use crate::journal::{Event, Journal};
use crate::settlement::{Settlement, answered_outcome};

pub use body::{Broken, ReplyBody, Tunnel};
pub use reply::{OwnHeaders, Reply};

/// Answers the client. The journal is closed when the body has ended, or the client has left.
#[must_use]
pub fn reply(gate: &Arc<Gate>, answered: Answered, mut journal: Journal) -> Reply {
    let Answered { place, answer } = answered;
    let Answer {
        status,
        headers,
        mut lines,
        body,
        price,
        demo,
        trail,
        local,
        ticket,
        visit,
    } = *answer;
    head::ids(&mut lines, &journal);
    if !local {
        success_head(&mut lines, &journal, trail);
    }
    if demo {
        lines.put("x-goodgate-demo", "true");
    }
    journal.add(Event::Answering {
        status: status.as_u16(),
    });
    let body = match body {
        AnswerBody::Whole { bytes, usage } => {
            // One that is given again brings its own.
            if headers.is_empty() {
                lines.put("content-type", "application/json");
            }
            let mut settlement = Settlement::new(journal, place, price, ticket, visit);
            settlement.used(&usage);
            settlement.sent(bytes.len());
            settlement.complete();
            ReplyBody::whole(bytes)
        }
        AnswerBody::Stream(live) => {
            stream_head(&mut lines);
            let after = journal.elapsed();
            journal.add(Event::FirstContent(after));
            stream::relay(
                Arc::clone(gate),
                *live,
                Settlement::new(journal, place, price, ticket, visit),
                status,
            )
        }
        AnswerBody::Tunnel(raw) => {
            let after = journal.elapsed();
            journal.add(Event::FirstContent(after));
            tunnel::relay(
                Arc::clone(gate),
                *raw,
                Settlement::new(journal, place, price, ticket, None),
            )
        }
        AnswerBody::Raw(raw) => plain::relay(
            Arc::clone(gate),
            *raw,
            Settlement::new(journal, place, price, ticket, visit),
            status,
        ),
    };
    Reply {
        status,
        reason: None,
        headers,
        lines,
        body,
    }
}

/// What every stream of events says of itself.
fn stream_head(lines: &mut Lines) {
    lines.put("content-type", "text/event-stream; charset=utf-8");
    lines.put("cache-control", "no-cache");
    lines.put("x-accel-buffering", "no");
}

fn success_head(lines: &mut Lines, journal: &Journal, trail: bool) {
    let attempts = journal.attempts().count();
    head::outcome(lines, answered_outcome(journal), attempts);
    head::served_by(lines, journal);
    head::lost(lines, journal);
    if attempts > 1 || trail {
        head::trail(lines, journal);
        head::proxy_status(lines, journal, None);
    }
}
