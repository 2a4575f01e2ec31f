//! The one place where the parts meet: what starts in which order, and what ends in which.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use admin::{App, Parts as AdminParts, RunningCall};
use arc_swap::ArcSwap;
use config::keys::{self, KeyHash, Purpose};
use config::{Candidate, LogFormat as WrittenFormat, Snapshot};
use drill::Drill;
use gateway::bytes::{self, ByteBudget};
use gateway::gate::Shared;
use gateway::journal::access_log::{AccessLog, LogFormat};
use gateway::journal::in_flight::InFlight;
use gateway::keyring::{HeaderRights, Keyring};
use gateway::policy::{NotReady, Policy};
use gateway::reload::{self, StoredKey};
use gateway::resources::{self, Resources};
use gateway::serve::admin_door::{AdminCall, AdminDoor, admin_door};
use gateway::serve::{self, Parts, Server};
use gateway::tasks::Tasks;
use http_body_util::BodyExt;
use store::{KeyRow, StateFolder, Store, StoreError};
use tokio::sync::mpsc;
use types::{Clock, KeyId, ProviderId, Secret, SystemClock};

use crate::probe::{self, Shown};
use crate::screen::{self, Screen};
use crate::settings::{Facts, Read, Settings, SettingsError};
use crate::signals::{Signals, Wish};
use crate::{ServeArguments, admin_listener, owner};

/// The file of the state folder that holds the first key.
const FIRST_KEY_FILE: &str = "first-key";

/// Threads of the runtime for pages, probes and signals.
const SIDE_THREADS: usize = 2;

/// Pieces of a page's body that wait for its reader; a slow browser must not fill the memory.
const PAGE_PIECES: usize = 16;

/// Off loopback the listener stays open this long after readiness fails, so that balancers notice.
const LISTENER_STAYS: Duration = Duration::from_secs(5);

/// Why the gateway does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// What the configuration names cannot be used.
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// The state folder or the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The port is taken.
    #[error("{address} is in use{}: end that program, or choose another port with --listen 127.0.0.1:PORT", owner.as_ref().map_or(String::new(), |owner| format!(" by {owner}")))]
    Busy {
        /// The address.
        address: SocketAddr,
        /// Who has it.
        owner: Option<String>,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The system.
    #[error("the system refused")]
    System(#[from] std::io::Error),
    /// No randomness for keys.
    #[error("no key can be made")]
    NoRandomness(#[from] keys::NoRandomness),
}

impl ServeError {
    /// 3: do not restart, the configuration must change; 1: anything else.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::NotReady(_) => 3,
            Self::Store(_)
            | Self::Busy { .. }
            | Self::Listen { .. }
            | Self::System(_)
            | Self::NoRandomness(_) => 1,
        }
    }
}

/// Runs the gateway until a signal ends it.
pub(crate) fn serve(arguments: &ServeArguments) -> Result<(), ServeError> {
    screen::start_log();
    raise_descriptor_limit();
    let (settings, read, drill) = settings(arguments)?;
    screen::warnings(&read.warnings);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let listener = listen(read.snapshot.server.listen)?;
    let address = listener.local_addr()?;
    let state = State::open(arguments, &settings, &read.snapshot, address, &clock)?;
    let access_log = AccessLog::start(log_format(read.snapshot.log_format))?;
    let (door, admin_calls) = admin_door();
    let shared = share(read.snapshot, door, &state.stored, &clock)?;
    let resolver = Arc::new(upstream::Resolver::new(
        upstream::ResolverOptions::default(),
        Arc::clone(&clock),
    ));
    let workers = shared.policy.load().snapshot.server.workers;
    let parts = Parts {
        shared: Arc::clone(&shared),
        resolver: Arc::clone(&resolver),
        access_log: Some(access_log.clone()),
        rows: Some(state.store.write_behind().clone()),
        workers: workers.unwrap_or_else(serve::default_workers),
    };
    let server = serve::start(listener, parts)?;
    let own_listener = own_admin_listener(&shared.policy.load().snapshot)?;
    let app = App::new(admin_parts(
        &shared,
        &state,
        &server,
        own_listener.as_ref(),
    )?);
    let screen = Screen {
        address,
        first_key: state.first_key.clone(),
        app: app.clone(),
        state: state.folder.path().to_owned(),
    };
    let mut running = Running {
        settings,
        shared,
        client: upstream::Client::new(upstream::ClientOptions::new(resolver, clock)),
        listed: HashMap::new(),
        answered: Vec::new(),
        stored: state.stored.clone(),
    };
    let side = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(SIDE_THREADS)
        .enable_all()
        .build()?;
    side.block_on(async {
        let pages = Tasks::default();
        if let Some(listener) = own_listener {
            pages.spawn(
                "admin",
                admin_listener::serve(listener, app.clone(), pages.clone()),
            );
        }
        let measured = Arc::clone(&running.shared);
        pages.spawn("resources", async move {
            resources::keep_measuring(&measured.resources, &*measured.clock).await;
        });
        pages.spawn("admin pages", answer_pages(app, admin_calls, pages.clone()));
        running.run(&server, screen, read.discovery).await
    })?;
    // Calls first, then what records them.
    server.stop();
    side.shutdown_timeout(Duration::from_secs(1));
    access_log.close();
    state.store.close();
    drop(drill);
    Ok(())
}

/// Reads the settings; where they want the demo models, starts those and reads again with their address.
fn settings(arguments: &ServeArguments) -> Result<(Settings, Read, Option<Drill>), ServeError> {
    let settings = Settings::new(arguments);
    let read = settings.read(&[])?;
    if !read.snapshot.demo {
        return Ok((settings, read, None));
    }
    // An ordinary provider whose base URL is a drill on a free loopback port: demos take the way of every call.
    let drill = Drill::start(drill::Options::default())?;
    let settings = settings.with_demo_url(&drill.url());
    let read = settings.read(&[])?;
    Ok((settings, read, Some(drill)))
}

/// What lies in the state folder.
struct State {
    folder: StateFolder,
    store: Arc<Store>,
    first_key: Secret,
    admin_token: Secret,
    stored: Vec<StoredKey>,
}

impl State {
    fn open(
        arguments: &ServeArguments,
        settings: &Settings,
        snapshot: &Snapshot,
        address: SocketAddr,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, ServeError> {
        let path = arguments
            .state
            .clone()
            .unwrap_or_else(|| settings.state_folder());
        let folder = StateFolder::hold(&path)?;
        folder.announce(&address.to_string())?;
        let options = store::Options {
            file: snapshot.storage.path.clone(),
            retain: snapshot.storage.retain,
            ..store::Options::default()
        };
        let store = Arc::new(Store::open(&folder, &options, Arc::clone(clock))?);
        let first_key = first_key(&folder, &store, &**clock)?;
        let admin_token = admin::load_token(&folder)?;
        let stored = stored_keys(&store, address.ip().is_loopback())?;
        Ok(Self {
            folder,
            store,
            first_key,
            admin_token,
            stored,
        })
    }
}

fn share(
    snapshot: Snapshot,
    door: AdminDoor,
    stored: &[StoredKey],
    clock: &Arc<dyn Clock>,
) -> Result<Arc<Shared>, ServeError> {
    let policy = Policy::prepare(snapshot)?;
    let keyring = Keyring::default();
    keyring.replace(reload::callers(&policy.snapshot, stored));
    Ok(Arc::new(Shared {
        keyring,
        admin: (policy.snapshot.admin.listen.is_none() && policy.snapshot.server.is_loopback())
            .then_some(door),
        policy: ArcSwap::from_pointee(policy),
        bytes: ByteBudget::new(bytes::default_limit()),
        registry: resilience::Registry::new(clock.now()),
        resources: Resources::default(),
        clock: Arc::clone(clock),
        draining: AtomicBool::new(false),
    }))
}

/// What the signals act on.
struct Running {
    settings: Settings,
    shared: Arc<Shared>,
    client: upstream::Client,
    listed: HashMap<ProviderId, Vec<String>>,
    answered: Vec<Candidate>,
    stored: Vec<StoredKey>,
}

impl Running {
    async fn run(
        &mut self,
        server: &Server,
        screen: Screen,
        facts: Option<Facts>,
    ) -> Result<(), ServeError> {
        let mut signals = Signals::listen()?;
        let shown = self.look_around(facts.as_ref()).await;
        screen.print(
            &self.shared.policy.load().snapshot,
            facts.as_ref(),
            &shown,
            self.settings.file(),
        );
        loop {
            match signals.next().await {
                Wish::Reload => self.reload(),
                Wish::Quit => return Ok(()),
                Wish::Drain => {
                    drain(server, &self.shared, &mut signals).await;
                    return Ok(());
                }
            }
        }
    }

    /// Asks what there is: servers that may run here, then everybody's models.
    async fn look_around(&mut self, facts: Option<&Facts>) -> HashMap<ProviderId, Shown> {
        let clock = Arc::clone(&self.shared.clock);
        let candidates = facts
            .map(|facts| facts.candidates.as_slice())
            .unwrap_or_default();
        self.answered = probe::candidates(&self.client, &clock, candidates).await;
        if !self.answered.is_empty() {
            self.reload();
        }
        let providers: Vec<_> = self
            .shared
            .policy
            .load()
            .snapshot
            .providers_in_order()
            .cloned()
            .collect();
        let shown = probe::providers(&self.client, &clock, &providers).await;
        self.listed = shown
            .iter()
            .filter_map(|(id, shown)| match shown {
                Shown::Models { models, .. } => Some((id.clone(), models.clone())),
                Shown::Failed { .. } => None,
            })
            .collect();
        self.reload();
        shown
    }

    /// Reads the configuration again. A bad one changes nothing but the log.
    fn reload(&self) {
        let version = self.shared.policy.load().snapshot.version;
        let read = match self.settings.read(&self.answered) {
            Ok(read) => read,
            Err(error) => {
                screen::complain(&ServeError::Settings(error));
                tracing::error!(
                    "the configuration was not reloaded: the running one stays (version {version})"
                );
                return;
            }
        };
        screen::warnings(&read.warnings);
        let snapshot = self
            .keep_what_cannot_change(read.snapshot)
            .with_version(version + 1)
            .with_listed(&self.listed);
        match reload::install(&self.shared, snapshot, &self.stored) {
            Ok(()) => tracing::debug!("configuration version {} is in force", version + 1),
            Err(error) => {
                screen::complain(&ServeError::NotReady(error));
                tracing::error!(
                    "the configuration was not reloaded: the running one stays (version {version})"
                );
            }
        }
    }

    /// Listener and workers are made once; a reload that changes them says so.
    fn keep_what_cannot_change(&self, mut snapshot: Snapshot) -> Snapshot {
        let running = self.shared.policy.load();
        let (old, new) = (&running.snapshot.server, &mut snapshot.server);
        if new.listen != old.listen || new.workers != old.workers {
            tracing::warn!("server.listen and server.workers take effect at the next start only");
            new.listen = old.listen;
            new.workers = old.workers;
        }
        snapshot
    }
}

/// Lets running calls finish: readiness fails at once, then the listener closes, then streams run out.
async fn drain(server: &Server, shared: &Arc<Shared>, signals: &mut Signals) {
    let (drain, streams, loopback) = {
        let policy = shared.policy.load();
        let limits = &policy.snapshot.server;
        (limits.drain, limits.drain_streams, limits.is_loopback())
    };
    server.begin_drain();
    let waiting = async {
        if !loopback {
            tokio::time::sleep(LISTENER_STAYS.min(drain)).await;
        }
        server.close_listener();
        let running = || server.in_flight().iter().map(InFlight::len).sum::<usize>();
        if running() > 0 {
            tracing::info!(
                "{} calls are running; they may finish (a second signal ends them now)",
                running()
            );
        }
        let until = shared.clock.now() + drain.max(streams);
        while running() > 0 && shared.clock.now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = waiting => {}
        _ = signals.next() => {}
    }
}

/// Answers what the workers pass over.
async fn answer_pages(app: App, mut calls: mpsc::Receiver<AdminCall>, tasks: Tasks) {
    while let Some(call) = calls.recv().await {
        tasks.spawn("page", answer_page(app.clone(), call));
    }
}

async fn answer_page(app: App, call: AdminCall) {
    let AdminCall {
        request,
        peer: _,
        answer,
    } = call;
    let response = admin::answer(&app, request.map(http_body_util::Full::new)).await;
    let (parts, mut body) = response.into_parts();
    let (pieces, receiver) = mpsc::channel(PAGE_PIECES);
    if answer
        .send(http::Response::from_parts(parts, receiver))
        .is_err()
    {
        return;
    }
    loop {
        // A live stream is silent for long: the browser's leaving must end it all the same.
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = pieces.closed() => return,
        };
        let Some(Ok(frame)) = frame else { return };
        if let Ok(data) = frame.into_data()
            && pieces.send(data).await.is_err()
        {
            return;
        }
    }
}

/// The admin API is on the one port of loopback, else on a listener of its own.
fn own_admin_listener(snapshot: &Snapshot) -> Result<Option<TcpListener>, ServeError> {
    match snapshot.admin.listen {
        Some(address) => listen(address).map(Some),
        None if snapshot.server.is_loopback() => Ok(None),
        None => listen(admin_listener::DEFAULT).map(Some),
    }
}

fn admin_parts(
    shared: &Arc<Shared>,
    state: &State,
    server: &Server,
    own: Option<&TcpListener>,
) -> Result<AdminParts, ServeError> {
    let (policies, clock) = (Arc::clone(shared), Arc::clone(&shared.clock));
    let tables = server.in_flight().to_vec();
    let base_url = public_url(&shared.policy.load().snapshot, server.address());
    let listen = own.map_or_else(|| Ok(server.address()), TcpListener::local_addr)?;
    Ok(AdminParts {
        store: Arc::clone(&state.store),
        clock: Arc::clone(&clock),
        snapshot: Box::new(move || Arc::clone(&policies.policy.load().snapshot)),
        in_flight: Box::new(move || running_calls(&tables, &*clock)),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        env_command: format!(
            "{} env{}",
            screen::command(),
            screen::state_flag(state.folder.path())
        ),
        ui_url: own.map_or_else(|| base_url.clone(), |_| format!("http://{listen}")),
        base_url,
        listen,
        admin_token: state.admin_token.clone(),
    })
}

fn running_calls(tables: &[InFlight], clock: &dyn Clock) -> Vec<RunningCall> {
    let now = clock.now();
    let calls = tables
        .iter()
        .flat_map(InFlight::list)
        .map(|(id, call)| RunningCall {
            id: id.to_string(),
            age_ms: gateway::journal::access_log::millis(
                now.saturating_duration_since(call.started),
            ),
            key: call.key.map(|key| key.to_string()),
            model: call.model.map(|model| model.to_string()),
            target: call.target.map(|target| target.to_string()),
            attempt: call.attempt,
            phase: call.phase.as_str().to_owned(),
        });
    calls.collect()
}

/// Where clients reach the gateway.
fn public_url(snapshot: &Snapshot, address: SocketAddr) -> String {
    match &snapshot.server.public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{address}"),
    }
}

/// The first key: made at the first start, kept in a file that only its owner may read.
fn first_key(folder: &StateFolder, store: &Store, clock: &dyn Clock) -> Result<Secret, ServeError> {
    let written = folder
        .read_private(FIRST_KEY_FILE)?
        .map(|text| text.trim().to_owned());
    let secret = match written.filter(|text| keys::is_well_formed(text)) {
        Some(text) => Secret::new(text),
        None => {
            let secret = keys::generate(Purpose::Dev)?;
            folder.write_private(FIRST_KEY_FILE, secret.reveal())?;
            secret
        }
    };
    let hash = KeyHash::of(secret.reveal());
    let known = store.keys()?;
    if known.iter().any(|key| key.hash == *hash.as_bytes()) {
        return Ok(secret);
    }
    // A file from another store, or a store that was lost: the name must be free.
    let names = ["dev".to_owned(), format!("dev-{}", clock.unix_millis())];
    let name = names
        .into_iter()
        .find(|name| known.iter().all(|key| key.id.as_str() != name.as_str()));
    store.add_key(&KeyRow {
        id: KeyId::new(&name.unwrap_or_default()),
        hash: *hash.as_bytes(),
        hint: keys::display(secret.reveal()),
        created_millis: clock.unix_millis(),
        expires_millis: None,
        revoked_millis: None,
    })?;
    Ok(secret)
}

/// The store's keys. On loopback they may use every header: their holder is whoever runs the gateway.
fn stored_keys(store: &Store, loopback: bool) -> Result<Vec<StoredKey>, StoreError> {
    let rows = store.keys()?;
    let usable = rows.into_iter().filter(|row| row.revoked_millis.is_none());
    Ok(usable
        .map(|row| StoredKey {
            hash: KeyHash::from_bytes(row.hash),
            id: row.id,
            headers: if loopback {
                HeaderRights::All
            } else {
                HeaderRights::Ordinary
            },
        })
        .collect())
}

fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    serve::bind(address).map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => ServeError::Busy {
            address,
            owner: owner::of_port(address),
        },
        _ => ServeError::Listen { address, source },
    })
}

fn log_format(written: WrittenFormat) -> LogFormat {
    match written {
        WrittenFormat::Json => LogFormat::Json,
        WrittenFormat::Pretty => LogFormat::Pretty,
        WrittenFormat::Auto if screen::is_terminal() => LogFormat::Pretty,
        WrittenFormat::Auto => LogFormat::Json,
    }
}

/// Every connection is a descriptor: as many as the system allows.
fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() {
        tracing::debug!("the limit of open files stays at {soft}");
    }
}
