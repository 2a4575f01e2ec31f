//! A gateway, a drill and a store, put together for one test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use config::keys::{self, Purpose};
use config::{Environment, Snapshot, Source, TraceExport};
use drill::{Drill, Options, Script};
use gateway::bytes::ByteBudget;
use gateway::gate::Shared;
use gateway::journal::metrics::{Format, Labels};
use gateway::journal::traces::Exporter;
use gateway::keyring::{HeaderRights, Keyring};
use gateway::policy::Policy;
use gateway::reload::{self, StoredKey};
use gateway::resources::Resources;
use gateway::routing::Drained;
use gateway::serve::drain::Drain;
use gateway::serve::{self, Parts, Server};
use resilience::balance::Loads;
use store::{Filter, Kept, StateFolder, Store};
use types::{CallId, Clock, KeyId, SystemClock};

use crate::client::{Reply, Request};

/// Everything a test needs; dropped, it stops.
pub(crate) struct Rig {
    pub(crate) drill: Drill,
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    pub(crate) store: Arc<Store>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) stored_keys: Vec<StoredKey>,
    pub(crate) exporter: Option<Arc<Exporter>>,
    server: Option<Server>,
    _folder: tempfile::TempDir,
}

/// What a rig is put together from.
#[derive(Default)]
pub(crate) struct Build<'a> {
    /// The configuration; `DRILL` stands for the drill's URL.
    pub(crate) yaml: &'a str,
    pub(crate) script: Script,
    /// What no file can say.
    pub(crate) tune: Option<fn(&mut Snapshot)>,
    pub(crate) resolver: upstream::ResolverOptions,
    /// The bytes that all calls together may hold; plenty, where it is not said.
    pub(crate) memory: Option<u64>,
    /// Where spans go.
    pub(crate) traces: Option<TraceExport>,
    /// Whether the drill listens on all addresses: `ANYWHERE` in the configuration stands for its port.
    pub(crate) everywhere: bool,
}

/// The configuration of most tests: two providers that are the drill, a quick backoff, and timers so short that a
/// stall costs little and so long that a busy machine does not trip them.
pub(crate) const USUAL: &str = "
server: { listen: 127.0.0.1:0, workers: 1, max_body: 20MB }
providers:
  p: { type: openai-compatible, base_url: DRILL/v1, api_key: sk-upstream-secret }
  q: { type: openai-compatible, base_url: DRILL/openai/v1, api_key: sk-upstream-secret }
models:
  pair: { targets: [p/first, q/echo] }
resilience:
  timeout: { connect: 500ms, tls: 1s, response_header: 700ms, first_token: 700ms, idle: 700ms, total: 10s }
  retry: { max_attempts: 4, backoff: { initial: 1ms, max: 5ms } }
errors: { detail: full }
";

impl Rig {
    /// With the usual configuration and no script.
    pub(crate) fn usual() -> Self {
        Self::with(USUAL, Script::default())
    }

    /// With the usual configuration and a script.
    pub(crate) fn scripted(json: &str) -> Self {
        Self::with(USUAL, script(json))
    }

    /// With a configuration in which `DRILL` stands for the drill's URL.
    pub(crate) fn with(yaml: &str, script: Script) -> Self {
        Self::build(Build {
            yaml,
            script,
            ..Build::default()
        })
    }

    pub(crate) fn build(build: Build<'_>) -> Self {
        let mut options = Options {
            script: build.script,
            ..Options::default()
        };
        if build.everywhere {
            options.listen = SocketAddr::from(([0, 0, 0, 0], 0));
        }
        let drill = Drill::start(options).unwrap();
        let port = drill.address().port().to_string();
        let yaml = build
            .yaml
            .replace("DRILL", &format!("http://127.0.0.1:{port}"))
            .replace("ANYWHERE", &port);
        let mut snapshot = snapshot(&yaml);
        if let Some(tune) = build.tune {
            tune(&mut snapshot);
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::hold(folder.path()).unwrap();
        let store =
            Arc::new(Store::open(&state, &store::Options::default(), Arc::clone(&clock)).unwrap());
        let secret = keys::generate(Purpose::Dev).unwrap();
        let stored_keys = vec![StoredKey {
            hash: keys::KeyHash::of(secret.reveal()),
            id: KeyId::new("dev"),
            headers: HeaderRights::All,
        }];
        let policy = Policy::prepare(snapshot).unwrap();
        let keyring = Keyring::default();
        keyring.replace(reload::callers(&policy.snapshot, &stored_keys));
        let shared = Arc::new(Shared {
            labels: Labels::knowing(&policy.snapshot),
            keyring,
            policy: ArcSwap::from_pointee(policy),
            bytes: ByteBudget::new(build.memory.unwrap_or(256 << 20)),
            registry: resilience::Registry::new(clock.now()),
            idempotency: Arc::default(),
            drained: Drained::default(),
            loads: Loads::default(),
            conversations: Arc::default(),
            lines: Arc::default(),
            resources: Resources::default(),
            clock: Arc::clone(&clock),
            drain: Drain::default(),
            admin: None,
        });
        let resolver = Arc::new(upstream::Resolver::new(build.resolver, Arc::clone(&clock)));
        let exporter = build.traces.map(|settings| {
            let options = upstream::ClientOptions::new(Arc::clone(&resolver), Arc::clone(&clock));
            let client = upstream::Client::new(options);
            let labels = Arc::clone(&shared.labels);
            let exporter = Exporter::new(&settings, client, Arc::clone(&clock), labels).unwrap();
            Arc::new(exporter.with_pauses([Duration::from_millis(1); 3]))
        });
        let parts = Parts {
            shared: Arc::clone(&shared),
            resolver,
            access_log: None,
            traces: exporter.clone(),
            rows: Some(store.write_behind().clone()),
            workers: 1,
        };
        let listener = serve::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let server = serve::start(listener, parts).unwrap();
        Self {
            drill,
            address: server.address(),
            key: secret.reveal().to_owned(),
            store,
            shared,
            stored_keys,
            exporter,
            server: Some(server),
            _folder: folder,
        }
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// The metrics of this moment.
    pub(crate) fn metrics(&self, format: Format) -> String {
        self.server().scraper().scrape(format)
    }

    /// A chat call.
    pub(crate) fn chat(&self, model: &str) -> Reply {
        self.chat_request(model, "").send()
    }

    /// A streamed chat call.
    pub(crate) fn stream(&self, model: &str) -> Reply {
        self.stream_request(model).send()
    }

    pub(crate) fn stream_request(&self, model: &str) -> Request {
        self.chat_request(model, r#","stream":true"#)
    }

    /// A chat call with more members, yet to be sent.
    pub(crate) fn chat_request(&self, model: &str, more: &str) -> Request {
        self.request("POST", "/v1/chat/completions")
            .body(chat_body(model, more))
    }

    /// A POST with the rig's key.
    pub(crate) fn post(&self, path: &str, body: &str) -> Reply {
        self.request("POST", path).body(body).send()
    }

    /// A request with the rig's key.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
            .header("authorization", &format!("Bearer {}", self.key))
    }

    /// The stored row of a call.
    pub(crate) fn row(&self, reply: &Reply) -> Kept {
        let id = CallId::parse(reply.header("x-request-id").unwrap()).unwrap();
        self.store.flush().unwrap();
        self.store.get(id).unwrap().expect("the call is stored")
    }

    /// The newest stored row, as soon as it satisfies `done`.
    pub(crate) fn newest(&self, done: impl Fn(&Kept) -> bool) -> Kept {
        let until = SystemClock.now() + Duration::from_secs(5);
        loop {
            self.store.flush().unwrap();
            let page = self.store.recent(&Filter::default(), None, 1).unwrap();
            if let Some(row) = page.rows.into_iter().next().filter(&done) {
                return self.store.get(row.call.id).unwrap().unwrap();
            }
            assert!(
                SystemClock.now() < until,
                "no such row was stored within 5 s"
            );
            std::thread::yield_now();
        }
    }

    /// What the drill has seen so far: model and number of the attempt, in order.
    pub(crate) fn seen(&self) -> Vec<(String, u32)> {
        let of = |seen: drill::Seen| {
            (
                seen.model.unwrap_or_default(),
                seen.attempt.unwrap_or_default(),
            )
        };
        self.drill.seen().into_iter().map(of).collect()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
        self.store.close();
    }
}

/// Reads a configuration.
pub(crate) fn snapshot(yaml: &str) -> Snapshot {
    let source = Source {
        text: yaml.to_owned(),
        path: "goodgate.yaml".into(),
    };
    let loaded = config::load(&source, &Environment::from_pairs([])).unwrap_or_else(|findings| {
        let told: String = findings
            .iter()
            .map(|f| f.render_human(config::Colour::Off))
            .collect();
        panic!("{told}");
    });
    loaded.snapshot
}

/// The usual configuration with another list of models.
pub(crate) fn with_models(models: &str) -> String {
    USUAL.replace("  pair: { targets: [p/first, q/echo] }", models)
}

/// The body of a chat call.
pub(crate) fn chat_body(model: &str, more: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]{more}}}"#)
}

pub(crate) fn script(json: &str) -> Script {
    Script::from_json(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// What comes of it, and how long it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start: Instant = SystemClock.now();
    let result = work();
    (result, SystemClock.now().saturating_duration_since(start))
}

/// Does the work for each item on a few threads, and gives the results in the items' order.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    const THREADS: usize = 24;
    let work = &work;
    #[expect(
        clippy::needless_collect,
        reason = "all threads are started before the first is waited for"
    )]
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|first| {
                scope.spawn(move || {
                    let own = items.iter().enumerate().skip(first).step_by(THREADS);
                    own.map(|(n, item)| (n, work(item))).collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    results.sort_by_key(|(n, _)| *n);
    results.into_iter().map(|(_, result)| result).collect()
}
