//! One try at one target: send, read as much as it takes to know that it is an answer, or say what went wrong.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Target;
use diagnosis::{Evidence, Fault, Lane, Verdict};
use http::Method;
use types::CallId;
use upstream::{Outgoing, Timers};

use super::Answer;
use super::translate_or_pass;
use super::ways::usual_first_token;
use crate::gate::Gate;
use crate::intake::{Call, HttpCall, ModelCall, Upload};
use crate::journal::traces::Traceparent;
use crate::policy::{ReadyProvider, ReadyUpstream};
use crate::refusal::{Refusal, Verbatim};
use crate::routing::{Leg, Plan};

/// What one try came to.
#[derive(Debug)]
pub(super) enum Tried {
    /// An answer, at least its beginning.
    Answered(Success),
    /// None, and why.
    Failed(Box<Failure>),
}

/// An answer and what was seen of it.
#[derive(Debug)]
pub(super) struct Success {
    pub(super) answer: Box<Answer>,
    pub(super) evidence: Box<Evidence>,
    pub(super) losses: Vec<dialect::Loss>,
}

/// A failure, diagnosed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) evidence: Box<Evidence>,
    pub(super) verdict: Verdict,
    /// The upstream's own error answer, for callers who speak its dialect.
    pub(super) verbatim: Option<Verbatim>,
}

/// What one try needs.
#[derive(Debug)]
pub(super) struct Try<'a> {
    pub(super) gate: &'a Gate,
    pub(super) plan: &'a Plan,
    pub(super) call: &'a Call,
    pub(super) leg: &'a Leg,
    pub(super) credential: usize,
    pub(super) id: CallId,
    pub(super) n: u32,
    /// When this attempt began.
    pub(super) started: Instant,
    /// How long the call had lasted then.
    pub(super) call_age: Duration,
    /// Whether another target could still follow: then this one may not use up all the time.
    pub(super) leaves_room: bool,
    /// Whether nothing can follow: then limits nobody configured are lifted.
    pub(super) is_last: bool,
}

impl Try<'_> {
    /// Makes the attempt.
    ///
    /// # Errors
    /// The call cannot be put into the target's dialect at all: the caller's fault, no attempt.
    pub(super) async fn run(&self) -> Result<Tried, Refusal> {
        match (self.call, self.leg) {
            (Call::Model(call), Leg::Model { target, ready }) => {
                self.model(call, target, ready).await
            }
            (Call::Http(call), Leg::Http { ready, path, .. }) => {
                self.plain(call, ready, path).await
            }
            _ => Err(Refusal::new(
                diagnosis::Code::GatewayInternalError,
                "A call and its target are of two lanes.",
            )),
        }
    }

    async fn model(
        &self,
        call: &ModelCall,
        target: &Arc<Target>,
        ready: &ReadyProvider,
    ) -> Result<Tried, Refusal> {
        let prepared = translate_or_pass::prepare(call, self.leg)?;
        let kind = target.provider.kind;
        let path = match &ready.chat_path {
            Some(path) => Cow::Borrowed(path.as_str()),
            None => {
                let operation = provider::Operation::Chat {
                    stream: call.stream,
                };
                let endpoint = &target.provider.endpoint;
                Cow::Owned(provider::request::path(
                    kind,
                    endpoint,
                    target.model.as_str(),
                    operation,
                ))
            }
        };
        let (number, id) = (digits(self.n), self.id.write());
        let trace = self.trace();
        let mut headers = self.own_headers(&number, id.as_bytes(), trace.as_ref());
        headers.extend(
            prepared
                .headers
                .iter()
                .map(|(name, value)| (*name, value.as_bytes())),
        );
        let outgoing = Outgoing {
            method: &Method::POST,
            path: &path,
            fixed_headers: ready
                .header_blocks
                .get(self.credential)
                .map_or(&[][..], Vec::as_slice),
            headers: &headers,
            body: prepared.body,
            upload: None,
            upgrade: false,
            started: Some(self.started),
            lane: Lane::Model,
            idempotent: true,
            max_head: upstream::MAXIMUM_HEAD,
            decode: true,
        };
        let sent = self
            .gate
            .client
            .send(&ready.destination, outgoing, &self.timers(call.stream))
            .await;
        let mut tried = match sent {
            Err(evidence) => self.failure(evidence, None),
            Ok(answer) => {
                self.read_model(call, kind, answer, prepared.added_usage)
                    .await
            }
        };
        if let Tried::Answered(success) = &mut tried {
            success.losses.splice(0..0, prepared.losses);
            success.answer.price = target.price;
            success.answer.demo = kind.place == provider::Place::Inside;
        }
        Ok(tried)
    }

    async fn plain(
        &self,
        call: &HttpCall,
        ready: &ReadyUpstream,
        path: &str,
    ) -> Result<Tried, Refusal> {
        let (number, id) = (digits(self.n), self.id.write());
        let trace = self.trace();
        let mut headers = self.own_headers(&number, id.as_bytes(), trace.as_ref());
        let own_trace = |name: &http::HeaderName| trace.is_some() && name == "traceparent";
        headers.extend(
            call.headers
                .iter()
                .filter(|(name, _)| !own_trace(name))
                .map(|(name, value)| (name.as_str(), value.as_bytes())),
        );
        if let Some(protocol) = &call.upgrade {
            headers.push(("connection", b"upgrade"));
            headers.push(("upgrade", protocol.as_bytes()));
        }
        let outgoing = Outgoing {
            method: &call.method,
            path,
            fixed_headers: &ready.header_block,
            headers: &headers,
            body: if call.raw.is_empty() {
                Cow::Borrowed(&[])
            } else {
                Cow::Borrowed(std::slice::from_ref(&call.raw))
            },
            upload: call.upload.as_ref().map(Upload::for_attempt),
            upgrade: call.upgrade.is_some(),
            started: Some(self.started),
            lane: Lane::Http,
            idempotent: call.may_repeat,
            max_head: upstream::MAXIMUM_HEAD,
            decode: false,
        };
        let sent = self
            .gate
            .client
            .send(ready.destination_for(call), outgoing, &self.timers(false))
            .await;
        if let Some(refusal) = call.upload.as_ref().and_then(Upload::failure) {
            return Err(refusal); // The caller's own body broke off: nothing that an upstream did.
        }
        Ok(match sent {
            Err(evidence) => self.failure(evidence, None),
            Ok(answer) => self.read_plain(call, answer).await,
        })
    }

    /// A failure, diagnosed: here and nowhere else.
    pub(super) fn failure(&self, mut evidence: Box<Evidence>, verbatim: Option<Verbatim>) -> Tried {
        evidence.call_age = Some(self.call_age);
        if evidence.fault == Some(Fault::Deadline) {
            evidence.timer_from_caller = self.plan.is_callers_hurry();
        }
        let took = self.now().saturating_duration_since(self.started);
        evidence.times.end.get_or_insert(took);
        let around = self.gate.policy().surroundings(self.leg.host(), self.now());
        let verdict = diagnosis::judge_among(&evidence, &around);
        Tried::Failed(Box::new(Failure {
            evidence,
            verdict,
            verbatim,
        }))
    }

    /// The headers that are of this attempt alone; a plain call's other headers go on by themselves.
    fn own_headers<'h>(
        &'h self,
        number: &'h str,
        id: &'h [u8],
        trace: Option<&'h Traceparent>,
    ) -> Vec<(&'h str, &'h [u8])> {
        let mut headers = Vec::with_capacity(8);
        headers.push(("x-request-id", id));
        headers.push(("x-goodgate-attempt", number.as_bytes()));
        headers.extend(trace.map(|trace| ("traceparent", trace.as_bytes())));
        if let Call::Model(call) = self.call {
            let callers = call.terms.trace.as_ref().filter(|_| trace.is_none());
            let passed = [
                ("idempotency-key", call.terms.idempotency_key.as_ref()),
                ("traceparent", callers),
            ];
            headers.extend(
                passed
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value?.as_bytes()))),
            );
        }
        headers
    }

    /// Where spans are made, this attempt is the parent of what upstream makes of it.
    fn trace(&self) -> Option<Traceparent> {
        let traces = self.gate.recorder.traces.as_ref()?;
        let callers = self.call.terms().trace.as_ref();
        Some(traces.traceparent(self.id, callers, self.n))
    }

    pub(super) fn now(&self) -> Instant {
        self.gate.shared.clock.now()
    }

    fn timers(&self, stream: bool) -> Timers {
        let timeout = &self.plan.resilience.timeout;
        let header = if stream {
            let head = timeout.response_header.unwrap_or(Duration::from_secs(60));
            head.min(self.first_token_limit())
        } else {
            let model = matches!(self.call, Call::Model(_));
            let unset = if model {
                Duration::from_secs(300)
            } else {
                Duration::from_secs(60)
            };
            self.lifted(timeout.response_header, unset)
        };
        let (header, shortened) = self.within_room(header);
        Timers {
            dns: timeout.dns,
            connect: timeout.connect,
            tls: timeout.tls,
            write: timeout.write,
            header,
            deadline: self.plan.answer_by(),
            header_from_caller: shortened && self.plan.is_callers_hurry(),
        }
    }

    /// A limit as configured, or the usual one; on the last attempt the usual one gives way to the deadline.
    pub(super) fn lifted(&self, configured: Option<Duration>, usual: Duration) -> Duration {
        match configured {
            Some(limit) => limit,
            None if self.is_last => self.plan.answer_by().left(self.now()),
            None => usual,
        }
    }

    /// While another target is left, one attempt may wait for at most 60 % of what remains.
    pub(super) fn within_room(&self, limit: Duration) -> (Duration, bool) {
        if !self.leaves_room {
            return (limit, false);
        }
        let share = self.plan.answer_by().left(self.now()).mul_f64(0.6);
        (limit.min(share), share < limit)
    }

    pub(super) fn first_token_limit(&self) -> Duration {
        let usual = usual_first_token(self.call);
        self.lifted(self.plan.resilience.timeout.first_token, usual)
    }

    pub(super) fn idle_limit(&self, stream: bool) -> Duration {
        let usual = Duration::from_secs(if stream { 60 } else { 30 });
        self.plan.resilience.timeout.idle.unwrap_or(usual)
    }
}

/// A number as text; attempts are few.
fn digits(n: u32) -> Cow<'static, str> {
    const FEW: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let known = usize::try_from(n).ok().and_then(|n| FEW.get(n));
    known.map_or_else(|| Cow::Owned(n.to_string()), |text| Cow::Borrowed(*text))
}
