//! From an answer to what the client gets: head, body, and the settlement when the body has ended.

mod body;

pub mod head;

pub mod hold;

mod midstream;

mod plain;

mod stream;

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response};

use crate::attempt::{Answer, AnswerBody, Answered};
use crate::gate::Gate;
use crate::journal::{Event, Journal};
use crate::settlement::{Settlement, answered_outcome};

pub use body::{Broken, ReplyBody, Tunnel};

/// Answers the client. The journal is closed when the body has ended, or the client has left.
#[must_use]
pub fn reply(gate: &Arc<Gate>, answered: Answered, mut journal: Journal) -> Response<ReplyBody> {
    let Answered { place, answer } = answered;
    let Answer {
        status,
        mut headers,
        body,
        price,
        demo,
        trail,
        local,
        ticket,
    } = answer;
    head::ids(&mut headers, &journal);
    if !local {
        success_head(&mut headers, &journal, trail);
    }
    if demo {
        headers.insert(
            HeaderName::from_static("x-goodgate-demo"),
            HeaderValue::from_static("true"),
        );
    }
    journal.add(Event::Answering {
        status: status.as_u16(),
    });
    let reply = match body {
        AnswerBody::Whole { bytes, usage } => {
            headers
                .entry(CONTENT_TYPE)
                .or_insert(HeaderValue::from_static("application/json"));
            let mut settlement = Settlement::new(journal, place, price, ticket);
            settlement.used(&usage);
            settlement.sent(bytes.len());
            settlement.complete();
            ReplyBody::whole(bytes)
        }
        AnswerBody::Stream(live) => {
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("text/event-stream; charset=utf-8"),
            );
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers.insert(
                HeaderName::from_static("x-accel-buffering"),
                HeaderValue::from_static("no"),
            );
            let after = journal.elapsed();
            journal.add(Event::FirstContent(after));
            stream::relay(
                Arc::clone(gate),
                *live,
                Settlement::new(journal, place, price, ticket),
                status,
            )
        }
        AnswerBody::Raw(raw) => plain::relay(
            Arc::clone(gate),
            *raw,
            Settlement::new(journal, place, price, ticket),
            status,
        ),
    };
    let mut response = Response::new(reply);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn success_head(headers: &mut http::HeaderMap, journal: &Journal, trail: bool) {
    let attempts = journal.attempts().count();
    head::outcome(headers, answered_outcome(journal), attempts);
    head::served_by(headers, journal);
    head::lost(headers, journal);
    if attempts > 1 || trail {
        head::trail(headers, journal);
        head::proxy_status(headers, journal, None);
    }
}
