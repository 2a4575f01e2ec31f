//! What every store must do, whatever it is made of; what is SQLite's alone is in `sqlite.rs`.
#![cfg(test)]

mod calls;
mod counts;
mod drains;
mod folder;
mod incidents;
mod keys;
mod pages;
mod sqlite;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use store::{
    AttemptRow, CallDetails, CallRow, Certainty, Loss, NotTried, Options, Outcome, Phases,
    StateFolder, Store,
};
use types::{CallId, Clock, CredentialId, KeyId, ManualClock, NanoUsd, TokenUsage};

/// A store of its own in a folder of its own, with a clock that is turned by hand.
struct Bench {
    store: Store,
    clock: ManualClock,
    folder: StateFolder,
    _home: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with(&Options::default())
    }

    fn with(options: &Options) -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = StateFolder::hold(home.path()).unwrap();
        let clock = ManualClock::default();
        let store = Store::open(&folder, options, Arc::new(clock.clone())).unwrap();
        Self {
            store,
            clock,
            folder,
            _home: home,
        }
    }

    /// Ends the store and opens what it left.
    fn reopened(self) -> Self {
        let Self {
            store,
            clock,
            folder,
            _home,
        } = self;
        drop(store);
        let store = Store::open(&folder, &Options::default(), Arc::new(clock.clone())).unwrap();
        Self {
            store,
            clock,
            folder,
            _home,
        }
    }

    /// Records a call that ends now.
    fn record(&self, row: CallRow) -> CallId {
        let id = row.id;
        self.store.write_behind().record(row);
        id
    }

    fn row(&self, outcome: Outcome) -> CallRow {
        let now = self.clock.unix_millis();
        CallRow::new(CallId::generate(now), now, outcome)
    }

    fn stored(&self, row: CallRow) -> CallId {
        let id = self.record(row);
        self.store.flush().unwrap();
        id
    }

    fn tick(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }
}

fn label(text: &str) -> Arc<str> {
    Arc::from(text)
}

/// A row in which every field has a value.
fn full(now: u64) -> CallRow {
    CallRow {
        key: Some(KeyId::new("ci-bot")),
        lane: Cow::Borrowed("model"),
        method: Cow::Borrowed("POST"),
        path: "/v1/chat/completions".to_owned(),
        dialect: Some(Cow::Borrowed("openai_chat")),
        model: Some(label("smart")),
        served_by: Some(label("azure-eu/gpt-5-mini")),
        status: Some(200),
        code: Some(Cow::Borrowed("bad_gateway")),
        group: Some(Cow::Borrowed("upstream")),
        origin: Some(Cow::Borrowed("upstream")),
        stop_reason: Some(Cow::Borrowed("stop")),
        stream: true,
        output_sent: true,
        ttft_ms: Some(700),
        total_ms: 1_900,
        gateway_us: Some(312),
        usage: TokenUsage {
            input: Some(1_312),
            output: Some(40),
            cache_read: Some(1_024),
            cache_write: Some(0),
            reasoning: Some(12),
        },
        cost: Some(NanoUsd::new(300_000)),
        certainty: Certainty::Exact,
        request_bytes: 4_096,
        response_bytes: 900,
        client_request_id: Some("client-7".to_owned()),
        client_agent: Some("OpenAI/Python 3.54".to_owned()),
        client_retry_count: Some(1),
        demo: false,
        details: CallDetails {
            plan: vec![
                Arc::from("openai/gpt-5-mini"),
                Arc::from("azure-eu/gpt-5-mini"),
            ],
            not_tried: vec![NotTried {
                target: Arc::from("vllm-a/qwen3"),
                why: Cow::Borrowed("circuit_open"),
            }],
            losses: vec![Loss {
                field: "logit_bias".to_owned(),
                why: "anthropic has none".to_owned(),
            }],
            config_version: Some(41),
            max_attempts: Some(4),
            deadline_ms: Some(120_000),
            deadline_from_client: true,
            hold: Some(Cow::Borrowed("first_content")),
            retry_after_ms: Some(20_000),
            should_retry: Some(false),
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
            client: vec![(Cow::Borrowed("runtime"), "CPython 3.11".to_owned())],
            policy: vec![(Cow::Borrowed("strategy"), "ordered".to_owned())],
        },
        error_json: Some(r#"{"error":{"code":"bad_gateway"}}"#.to_owned()),
        attempts: vec![failed_attempt(), served_attempt()],
        ..CallRow::new(CallId::generate(now), now, Outcome::Recovered)
    }
}

fn failed_attempt() -> AttemptRow {
    AttemptRow {
        credential: Some(CredentialId::new("main")),
        ms: 812,
        status: Some(502),
        code: Some(Cow::Borrowed("bad_gateway")),
        group: Some(Cow::Borrowed("upstream")),
        origin: Some(Cow::Borrowed("upstream")),
        evidence: Some("text/html, 153 bytes, server: cloudflare".to_owned()),
        full_line: Some("text/html, 153 bytes, from 104.18.6.192:443".to_owned()),
        evidence_json: Some(r#"{"lane":"model"}"#.to_owned()),
        phases: Phases {
            dns: Some(Duration::from_micros(1_200)),
            connect: Some(Duration::from_micros(9_001)),
            tls: Some(Duration::from_millis(21)),
            sent: Some(Duration::from_micros(21_100)),
            first_byte: Some(Duration::from_millis(800)),
            first_token: None,
            end: Some(Duration::from_millis(812)),
        },
        next: Cow::Borrowed("next_target"),
        next_reason: Some(Cow::Borrowed("no output sent yet")),
        upstream_request_id: Some("chatcmpl-upstream-1".to_owned()),
        made_by: Some(Cow::Borrowed("cloudflare")),
        processed: Some(Cow::Borrowed("maybe")),
        bytes_sent: 4_200,
        bytes_received: 600,
        reused: true,
        peer: Some("104.18.6.192:443".parse().unwrap()),
        ..AttemptRow::new(1, Arc::from("openai/gpt-5-mini"))
    }
}

fn served_attempt() -> AttemptRow {
    AttemptRow {
        at_ms: 820,
        ms: 1_080,
        status: Some(200),
        peer: Some("[2001:db8::1]:443".parse().unwrap()),
        ..AttemptRow::new(2, Arc::from("azure-eu/gpt-5-mini"))
    }
}
