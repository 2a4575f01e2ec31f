//! Idempotency keys of plain calls: one call at a time for each, never two different ones, and the first one's answer for
//! later ones where the route wishes it. Source: failures, section on duplicates.
//!
//! All of it is in memory and bounded: what is forgotten early is sent upstream again, where the key goes along.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, Method, StatusCode};
use parking_lot::Mutex;
use types::Clock;

use crate::intake::HttpCall;
use crate::keyring::Caller;
use crate::refusal::Refusal;

/// Keys that are remembered at most, running and answered. Above it the oldest answer is forgotten.
const MOST_KEYS: usize = 10_000;

/// Bytes of answers that are remembered at most.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// A larger answer is not remembered.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// A longer key is none: those in use are 16 to 64 characters.
const LONGEST_KEY: usize = 256;

/// What is remembered of keys.
#[derive(Debug, Default)]
pub struct Keys {
    state: Mutex<State>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct State {
    calls: HashMap<String, Known>,
    /// Answered ones, the oldest first, with the turn in which they were.
    answered: VecDeque<(u64, String)>,
    bytes: usize,
    turn: u64,
}

#[derive(Debug)]
struct Known {
    /// Of what was asked; none where the body was not read.
    fingerprint: Option<u64>,
    turn: u64,
    answer: Option<(Arc<Remembered>, Instant)>,
}

/// An answer that is given again.
#[derive(Debug)]
pub struct Remembered {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, as the upstream sent them on.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What a call with a key may do.
#[derive(Debug)]
pub(crate) enum Entered {
    /// It is the first, or nothing is remembered: it goes upstream.
    First(Option<Arc<Ticket>>),
    /// It was answered before.
    Again(Arc<Remembered>),
}

/// A call that runs under a key. Dropped without an answer, the key is free again.
#[derive(Debug)]
pub struct Ticket {
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    name: String,
    turn: u64,
    remember: Option<Duration>,
    body: Mutex<BytesMut>,
}

impl Keys {
    /// Lets a call in under its key, where it has one.
    ///
    /// # Errors
    /// The key is in use at this moment, was used for another request, or is none.
    pub(crate) fn enter(
        self: &Arc<Self>,
        clock: &Arc<dyn Clock>,
        caller: &Caller,
        call: &mut HttpCall,
    ) -> Result<Option<Arc<Remembered>>, Refusal> {
        let is_safe = matches!(call.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let Some(key) = call.terms.idempotency_key.as_ref().filter(|_| !is_safe) else {
            return Ok(None);
        };
        if key.is_empty() || key.len() > LONGEST_KEY {
            let message = format!("An idempotency-key has 1 to {LONGEST_KEY} characters.");
            return Err(Refusal::invalid(Some("idempotency-key"), message));
        }
        let key = String::from_utf8_lossy(key.as_bytes());
        // Who needs no key of ours may have one of the upstream's: nobody gets what another one was answered.
        let own = [AUTHORIZATION, COOKIE].map(|name| call.headers.get(name));
        let own = self.hasher.hash_one(own);
        let name = format!("{}\n{own:x}\n{}\n{key}", caller.key, call.route.name);
        let asked = Asked {
            name,
            fingerprint: self.fingerprint(call),
            remember: call.route.replay,
        };
        match self.admit(clock, asked)? {
            Entered::First(ticket) => {
                call.ticket = ticket;
                Ok(None)
            }
            Entered::Again(answer) => Ok(Some(answer)),
        }
    }

    fn fingerprint(&self, call: &HttpCall) -> Option<u64> {
        let is_read = call.upload.is_none();
        is_read.then(|| {
            let what = (call.method.as_str(), &call.path_and_query, &call.raw);
            self.hasher.hash_one(what)
        })
    }

    fn admit(self: &Arc<Self>, clock: &Arc<dyn Clock>, asked: Asked) -> Result<Entered, Refusal> {
        let now = clock.now();
        let mut state = self.state.lock();
        state.forget_until(now);
        if let Some(known) = state.calls.get(&asked.name) {
            let is_other = matches!((known.fingerprint, asked.fingerprint), (Some(one), Some(other)) if one != other);
            if is_other {
                return Err(other_request());
            }
            return match &known.answer {
                Some((answer, _)) => Ok(Entered::Again(Arc::clone(answer))),
                None => Err(in_use()),
            };
        }
        while state.calls.len() >= MOST_KEYS {
            if !state.forget_oldest() {
                // All of them run: this one goes without being watched.
                return Ok(Entered::First(None));
            }
        }
        state.turn += 1;
        let turn = state.turn;
        let known = Known {
            fingerprint: asked.fingerprint,
            turn,
            answer: None,
        };
        state.calls.insert(asked.name.clone(), known);
        drop(state);
        Ok(Entered::First(Some(Arc::new(Ticket {
            keys: Arc::clone(self),
            clock: Arc::clone(clock),
            name: asked.name,
            turn,
            remember: asked.remember,
            body: Mutex::default(),
        }))))
    }
}

/// What a call asks under a key.
struct Asked {
    name: String,
    fingerprint: Option<u64>,
    remember: Option<Duration>,
}

fn other_request() -> Refusal {
    let message =
        "This idempotency-key was used for another request: send a new key with a new request.";
    Refusal::invalid(Some("idempotency-key"), message).with_status(StatusCode::UNPROCESSABLE_ENTITY)
}

fn in_use() -> Refusal {
    let message = "A request with this idempotency-key is being answered at this moment.";
    Refusal::invalid(Some("idempotency-key"), message)
        .with_status(StatusCode::CONFLICT)
        .after(Duration::from_secs(1))
}

impl State {
    /// Forgets answers whose time is over.
    fn forget_until(&mut self, now: Instant) {
        while let Some((turn, name)) = self.answered.front() {
            let is_over = self
                .calls
                .get(name)
                .filter(|known| known.turn == *turn)
                .and_then(|known| known.answer.as_ref())
                .is_none_or(|(_, until)| *until <= now);
            if !is_over {
                return;
            }
            self.forget_oldest();
        }
    }

    /// Forgets the oldest answer; false where there is none.
    fn forget_oldest(&mut self) -> bool {
        let Some((turn, name)) = self.answered.pop_front() else {
            return false;
        };
        let is_it = self
            .calls
            .get(&name)
            .is_some_and(|known| known.turn == turn);
        if is_it && let Some(known) = self.calls.remove(&name) {
            let freed = known.answer.map_or(0, |(answer, _)| answer.body.len());
            self.bytes = self.bytes.saturating_sub(freed);
        }
        true
    }
}

impl Ticket {
    /// Takes note of a piece of the answer.
    pub(crate) fn passed(&self, piece: &[u8]) {
        let mut body = self.body.lock();
        // One byte too many says that it was too much.
        if self.remember.is_some() && body.len() <= LARGEST_ANSWER {
            let room = LARGEST_ANSWER + 1 - body.len();
            body.extend_from_slice(piece.get(..room).unwrap_or(piece));
        }
    }

    /// The answer has ended well. One of failure is not remembered: the next call may fare better.
    pub(crate) fn answered(&self, status: StatusCode, headers: &HeaderMap) {
        let Some(remember) = self.remember else {
            return;
        };
        let body = std::mem::take(&mut *self.body.lock());
        let may_change = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        if body.len() > LARGEST_ANSWER || may_change {
            return;
        }
        let mut state = self.keys.state.lock();
        while state.bytes + body.len() > MOST_BYTES && state.forget_oldest() {}
        let length = body.len();
        let answer = Remembered {
            status,
            headers: headers.clone(),
            body: body.freeze(),
        };
        let until = self.clock.now() + remember;
        if let Some(known) = state.calls.get_mut(&self.name) {
            known.answer = Some((Arc::new(answer), until));
            state.bytes += length;
            state.answered.push_back((self.turn, self.name.clone()));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.keys.state.lock();
        let is_unanswered = state
            .calls
            .get(&self.name)
            .is_some_and(|known| known.turn == self.turn && known.answer.is_none());
        if is_unanswered {
            state.calls.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use types::ManualClock;

    use super::*;

    struct Bench {
        keys: Arc<Keys>,
        clock: Arc<ManualClock>,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                keys: Arc::new(Keys::default()),
                clock: Arc::new(ManualClock::default()),
            }
        }

        fn enter(&self, name: &str, what: u64, remember: Option<Duration>) -> Result<Entered, u16> {
            let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
            let asked = Asked {
                name: name.to_owned(),
                fingerprint: Some(what),
                remember,
            };
            let entered = self.keys.admit(&clock, asked);
            entered.map_err(|refusal| refusal.status.as_u16())
        }

        fn first(&self, name: &str, remember: Option<Duration>) -> Arc<Ticket> {
            match self.enter(name, 1, remember) {
                Ok(Entered::First(Some(ticket))) => ticket,
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

    #[test]
    fn a_key_that_runs_is_in_use_and_free_again_when_its_call_has_gone() {
        let bench = Bench::new();
        let ticket = bench.first("a", None);
        assert_eq!(bench.enter("a", 1, None).unwrap_err(), 409);
        assert_eq!(bench.enter("a", 2, None).unwrap_err(), 422);
        let _other = bench.first("b", None);
        ticket.passed(b"answer");
        ticket.answered(StatusCode::OK, &HeaderMap::new());
        drop(ticket);
        drop(bench.first("a", None));
    }

    #[test]
    fn an_answer_is_given_again_until_its_time_is_over() {
        let bench = Bench::new();
        let ticket = bench.first("a", HOUR);
        ticket.passed(b"ans");
        ticket.passed(b"wer");
        ticket.answered(StatusCode::CREATED, &HeaderMap::new());
        drop(ticket);
        bench.clock.advance(Duration::from_secs(3599));
        let Ok(Entered::Again(answer)) = bench.enter("a", 1, HOUR) else {
            panic!("it is forgotten");
        };
        assert_eq!(
            (answer.status, &answer.body[..]),
            (StatusCode::CREATED, &b"answer"[..])
        );
        assert_eq!(bench.enter("a", 2, HOUR).unwrap_err(), 422);
        bench.clock.advance(Duration::from_secs(1));
        drop(bench.first("a", HOUR));
        assert_eq!(bench.keys.state.lock().bytes, 0);
    }

    #[test]
    fn failures_and_large_answers_are_not_remembered() {
        let bench = Bench::new();
        for (status, size) in [(502, 1), (429, 1), (200, LARGEST_ANSWER + 1)] {
            let ticket = bench.first("a", HOUR);
            ticket.passed(&vec![0; size]);
            ticket.answered(StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
            drop(ticket);
            assert!(bench.keys.state.lock().calls.is_empty(), "{status}");
        }
    }

    #[test]
    fn keys_and_bytes_are_bounded_and_the_oldest_answer_goes_first() {
        let bench = Bench::new();
        let answer = |name: String, size: usize| {
            let ticket = bench.first(&name, HOUR);
            ticket.passed(&vec![0; size]);
            ticket.answered(StatusCode::OK, &HeaderMap::new());
        };
        for n in 0..70 {
            answer(format!("large {n}"), LARGEST_ANSWER);
        }
        assert_eq!(bench.keys.state.lock().bytes, MOST_BYTES);
        drop(bench.first("large 0", HOUR));
        assert!(matches!(
            bench.enter("large 69", 1, HOUR),
            Ok(Entered::Again(_))
        ));
        for n in 0..MOST_KEYS + 10 {
            answer(format!("small {n}"), 1);
        }
        assert!(bench.keys.state.lock().calls.len() <= MOST_KEYS);
        let running: Vec<_> = (0..MOST_KEYS)
            .map(|n| bench.first(&format!("running {n}"), HOUR))
            .collect();
        assert!(matches!(
            bench.enter("one more", 1, HOUR),
            Ok(Entered::First(None))
        ));
        drop(running);
        assert!(bench.keys.state.lock().calls.is_empty());
    }
}
