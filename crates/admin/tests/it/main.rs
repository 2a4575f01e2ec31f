//! The admin API through its one door, `admin::answer`, and over HTTP.
#![cfg(test)]

mod browser;
mod configuration;
mod description;
mod drains;
mod http;
mod incidents;
mod live;
mod metrics;
mod requests;
mod session;
mod sums;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::http::{HeaderMap, Request, Response, StatusCode};
use admin::{App, Body, Guard, Parts, RunningCall, Scrape};
use config::{Environment, Snapshot, Source};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::Value;
use store::{
    AttemptRow, CallDetails, CallRow, DrainRow, Loss, NotTried, Options, Outcome, StateFolder,
    Store,
};
use types::{CallId, Clock, KeyId, ManualClock, NanoUsd, Secret, TokenUsage};

const TOKEN: &str = "gga-0123456789abcdef0123456789abcdef";
const HOST: &str = "127.0.0.1:4000";

const CONFIG: &str = "
providers:
  openai: { api_key: sk-not-for-anyone-to-see-1234 }
  backup: { type: openai-compatible, base_url: 'http://10.2.0.7:8000/v1', api_key: other-secret-key-5678, maintenance: [{ start: 2020-01-01T00:00:00Z, end: 2060-01-01T00:00:00Z, reason: new driver }, { every: sunday, at: 02:00, for: 2h }, { start: 2020-01-01T00:00:00Z, end: 2020-01-02T00:00:00Z }] }
models:
  smart: { targets: [openai/gpt-5-mini, backup/qwen3] }
routes:
  weather: { match: { path: /weather/** }, upstreams: ['https://api.weather.example'], access: open }
server: { hosts: [gate.acme.example] }
";

struct Bench {
    app: App,
    store: Arc<Store>,
    clock: ManualClock,
    folder: Arc<StateFolder>,
    snapshot: Arc<Snapshot>,
    around: Around,
    _home: tempfile::TempDir,
}

/// What stands for the gateway around the app under test.
#[derive(Clone, Default)]
struct Around {
    /// The marks that were last put in force.
    drained: Arc<Mutex<Vec<DrainRow>>>,
    /// Good answers of `openai/gpt-5-mini`.
    answered: Arc<AtomicU64>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The code of a problem, after a look at its shape.
    fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        for field in ["type", "title", "detail", "fix"] {
            assert!(!problem[field].as_str().unwrap().is_empty(), "{field}");
        }
        problem["code"].as_str().unwrap().to_owned()
    }
}

impl Bench {
    fn new() -> Self {
        Self::listening("127.0.0.1:4000")
    }

    fn listening(listen: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = Arc::new(StateFolder::hold(home.path()).unwrap());
        let clock = ManualClock::default();
        let options = Options {
            rows_per_second: 100_000,
            ..Options::default()
        };
        let store = Arc::new(Store::open(&folder, &options, Arc::new(clock.clone())).unwrap());
        let source = Source {
            text: CONFIG.to_owned(),
            path: Path::new("/etc/goodgate/goodgate.yaml").to_owned(),
        };
        let environment = Environment::from_pairs([]);
        let snapshot = Arc::new(config::load(&source, &environment).unwrap().snapshot);
        let around = Around::default();
        let mut bench = Self {
            app: app(&store, &clock, &snapshot, &around, listen, TOKEN),
            store,
            clock,
            folder,
            snapshot,
            around,
            _home: home,
        };
        bench.restart(TOKEN, listen);
        bench
    }

    /// A new process on the same state.
    fn restart(&mut self, token: &str, listen: &str) {
        self.app = app(
            &self.store,
            &self.clock,
            &self.snapshot,
            &self.around,
            listen,
            token,
        );
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.send_from("127.0.0.1:50000", request).await
    }

    async fn send_from(&self, peer: &str, request: Request<Body>) -> Response<Body> {
        admin::answer(&self.app, request, peer.parse().unwrap()).await
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", HOST);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.send(request.body(Body::empty()).unwrap()).await;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// A GET with the token.
    async fn get(&self, path: &str) -> Answer {
        let bearer = format!("Bearer {TOKEN}");
        self.ask("GET", path, &[("authorization", &bearer)]).await
    }

    /// A GET with the token that must succeed.
    async fn read(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json()
    }

    fn record(&self, row: CallRow) -> CallId {
        let id = row.id;
        self.store.write_behind().record(row);
        self.store.flush().unwrap();
        id
    }

    fn row(&self, outcome: Outcome) -> CallRow {
        let now = self.clock.unix_millis();
        CallRow::new(CallId::generate(now), now, outcome)
    }

    fn tick(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// A failed call as the pipeline records it.
    fn failed(&self) -> CallRow {
        let word = Cow::Borrowed;
        CallRow {
            key: Some(KeyId::new("ci-bot")),
            path: "/v1/chat/completions".to_owned(),
            model: Some(Arc::from("smart")),
            status: Some(502),
            code: Some(word("bad_gateway")),
            group: Some(word("upstream")),
            origin: Some(word("upstream")),
            total_ms: 4_812,
            usage: TokenUsage {
                input: Some(1_312),
                ..TokenUsage::default()
            },
            cost: Some(NanoUsd::new(5)),
            client_request_id: Some("client-7".to_owned()),
            details: CallDetails {
                plan: vec![Arc::from("openai/gpt-5-mini"), Arc::from("backup/qwen3")],
                not_tried: vec![NotTried {
                    target: Arc::from("backup/qwen3"),
                    why: word("cooldown"),
                }],
                losses: vec![Loss {
                    field: "logit_bias".to_owned(),
                    why: "not known there".to_owned(),
                }],
                max_attempts: Some(4),
                retry_after_ms: Some(20_000),
                client: vec![(word("runtime"), "CPython 3.11".to_owned())],
                ..CallDetails::default()
            },
            error_json: Some(ERROR.to_owned()),
            attempts: vec![
                AttemptRow {
                    ms: 812,
                    status: Some(502),
                    code: Some(word("bad_gateway")),
                    evidence: Some("text/html, 153 bytes".to_owned()),
                    full_line: Some("text/html, 153 bytes from 104.18.6.192:443".to_owned()),
                    evidence_json: Some(r#"{"lane":"model","phase":"headers"}"#.to_owned()),
                    next: word("retry_same"),
                    upstream_request_id: Some("up-1".to_owned()),
                    ..AttemptRow::new(1, Arc::from("openai/gpt-5-mini"))
                },
                AttemptRow {
                    at_ms: 1_020,
                    ms: 790,
                    status: None,
                    code: Some(word("connection_refused")),
                    evidence: Some("connection refused".to_owned()),
                    next: word("exhausted"),
                    ..AttemptRow::new(2, Arc::from("openai/gpt-5-mini"))
                },
            ],
            ..self.row(Outcome::Failed)
        }
    }
}

/// What the client of [`Bench::failed`] was told.
const ERROR: &str = r#"{"error":{"message":"All 2 attempts failed.","code":"bad_gateway","goodgate":{"attempts":[
 {"n":1,"target":"openai/gpt-5-mini","at_ms":0,"ms":812,"status":502,"code":"bad_gateway","evidence":"text/html, 153 bytes","upstream_request_id":"up-1","next":"retry_same"},
 {"n":2,"target":"openai/gpt-5-mini","at_ms":1020,"ms":790,"status":null,"code":"connection_refused","evidence":"connection refused","next":"exhausted"}]}}}"#;

fn app(
    store: &Arc<Store>,
    clock: &ManualClock,
    snapshot: &Arc<Snapshot>,
    around: &Around,
    listen: &str,
    token: &str,
) -> App {
    let (snapshot, Around { drained, answered }) = (Arc::clone(snapshot), around.clone());
    let listen: SocketAddr = listen.parse().unwrap();
    App::new(Parts {
        store: Arc::clone(store),
        clock: Arc::new(clock.clone()),
        snapshot: Box::new(move || Arc::clone(&snapshot)),
        drains_changed: Box::new(move |marks| *drained.lock() = marks),
        in_flight: Box::new(|| [5, 900, 70].map(running).to_vec()),
        guards: Box::new(move || guards(answered.load(Ordering::Relaxed))),
        well: Box::new(|| vec![("https://api.weather.example".to_owned(), false)]),
        metrics: Box::new(|accept| Scrape {
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            text: format!("asked_for{{accept=\"{}\"}} 1\n", accept.unwrap_or_default()),
        }),
        version: "0.1.0".to_owned(),
        env_command: "goodgate env".to_owned(),
        base_url: "http://127.0.0.1:4000".to_owned(),
        ui_url: "http://127.0.0.1:4000".to_owned(),
        listen,
        admin_token: Secret::new(token.to_owned()),
    })
}

/// A provider that is well but for one model and one key, and an upstream of a route.
fn guards(answered: u64) -> Vec<Guard> {
    let of = |level: &str, name: &str, state: &str| Guard {
        level: level.to_owned(),
        name: name.to_owned(),
        state: state.to_owned(),
        ..Guard::default()
    };
    vec![
        of("provider", "openai", "closed"),
        of("provider", "https://api.weather.example", "closed"),
        of("credential", "openai/default", "open"),
        Guard {
            cause: Some("bad_gateway".to_owned()),
            open_since_ms: Some(1_790_000_000_000),
            limit: Some(7),
            answered,
            shadow: [("latency".to_owned(), 3)].into(),
            ..of("target", "openai/gpt-5-mini", "half_open")
        },
        of("target", "https://api.weather.example", "ramping"),
    ]
}

fn running(age_ms: u64) -> RunningCall {
    RunningCall {
        id: format!("req_{age_ms}"),
        age_ms,
        key: None,
        model: Some("smart".to_owned()),
        target: None,
        attempt: 1,
        phase: "attempting".to_owned(),
    }
}
