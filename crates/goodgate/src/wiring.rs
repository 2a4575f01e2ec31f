//! The one place where the parts meet: what starts in which order, and what ends in which.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use admin::{App, Parts as AdminParts, RunningCall};
use arc_swap::ArcSwap;
use config::{LogFormat as WrittenFormat, Snapshot};
use drill::Drill;
use gateway::bytes::{self, ByteBudget};
use gateway::gate::Shared;
use gateway::journal::access_log::{AccessLog, LogFormat};
use gateway::journal::in_flight::InFlight;
use gateway::journal::incidents::{self, Keeper};
use gateway::journal::metrics::{Format, Labels};
use gateway::journal::traces::Exporter;
use gateway::keyring::Keyring;
use gateway::policy::{NotReady, Policy};
use gateway::reload::{self, StoredKey};
use gateway::resources::{self, Resources};
use gateway::routing::Drained;
use gateway::serve::admin_door::{AdminCall, AdminDoor, admin_door};
use gateway::serve::drain::{self, Drain, Stage};
use gateway::serve::{self, Parts, Server};
use gateway::tasks::Tasks;
use resilience::balance::Loads;
use store::{IncidentFilter, StateFolder, Store};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;
use types::{Clock, SystemClock};

use crate::error::ServeError;
use crate::ground::{self, Ground};
use crate::handover::offer::{Offer, Successor};
use crate::handover::takeover::Predecessor;
use crate::inherited::Inherited;
use crate::notify::Supervisor;
use crate::running::{Running, Start};
use crate::screen::{self, Screen};
use crate::settings::{Read, Settings};
use crate::state::State;
use crate::{ServeArguments, admin_listener, descriptors, pages};

/// Threads of the runtime for pages, probes and signals.
const SIDE_THREADS: usize = 2;

/// How long the last spans may take at the end.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Runs the gateway until a signal ends it.
pub(crate) fn serve(arguments: &ServeArguments) -> Result<(), ServeError> {
    screen::start_log();
    descriptors::raise_limit();
    let settings = Settings::new(arguments);
    let inherited = Inherited::take(settings.environment())?;
    let settings = settings.with_listeners(inherited.door_address()?, inherited.admin_address()?);
    let (settings, read, drill) = read(settings)?;
    screen::warnings(&read.warnings);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Ground {
        door: listener,
        admin: own_listener,
        folder,
        predecessor,
    } = Ground::take(arguments, &settings, &read.snapshot, inherited)?;
    let address = listener.local_addr()?;
    let whereabouts = ground::whereabouts(address, own_listener.as_ref())?;
    let state = State::open(folder, &read.snapshot, &clock)?;
    let offer = Offer::new(Arc::clone(&state.folder), &listener, own_listener.as_ref())?;
    let access_log = access_log(&read.snapshot)?;
    let (door, admin_calls) = admin_door();
    let shared = share(read.snapshot, door, &state.stored, &clock)?;
    shared.drained.replace(state.store.drains()?);
    let resolver = Arc::new(upstream::Resolver::new(
        upstream::ResolverOptions::default(),
        Arc::clone(&clock),
    ));
    let exporter = exporter(&shared, &resolver)?;
    let workers = shared.policy.load().snapshot.server.workers;
    let parts = Parts {
        shared: Arc::clone(&shared),
        resolver: Arc::clone(&resolver),
        access_log: Some(access_log.clone()),
        traces: exporter.clone(),
        rows: Some(state.store.write_behind().clone()),
        workers: workers.unwrap_or_else(serve::default_workers),
    };
    let server = serve::start(listener, parts)?;
    let app = App::new(admin_parts(
        &shared,
        &state,
        &server,
        own_listener.as_ref(),
    )?);
    let screen = predecessor.is_none().then(|| Screen {
        address,
        first_key: state.first_key.clone(),
        app: app.clone(),
        state: state.folder.path().to_owned(),
    });
    let start = Start {
        screen,
        facts: read.discovery,
        access_log: access_log.clone(),
        supervisor: Supervisor::of(settings.environment()),
    };
    let client = upstream::Client::new(upstream::ClientOptions::new(resolver, clock));
    let mut running = Running::new(settings, shared, client, state.stored.clone());
    let side = side_runtime()?;
    side.block_on(async {
        if let Some(predecessor) = predecessor {
            relieve(predecessor, &state.folder, &whereabouts)?;
        }
        // Not before the predecessor has left: until then the numbers of incidents are its own.
        let beside = Beside {
            keeper: keeper(&server, &state.store, running.shared())?,
            exporter: exporter.clone(),
            app,
            admin_calls,
            own_listener,
            offer,
            supervisor: start.supervisor.clone(),
        };
        let successor = beside.start(running.shared());
        running.run(&server, start, successor).await
    })?;
    // Calls first, then what records them.
    server.stop();
    end_side(side, exporter);
    access_log.close();
    state.store.close();
    drop(drill);
    Ok(())
}

/// Reads the settings; where they want the demo models, starts those and reads again with their address.
fn read(settings: Settings) -> Result<(Settings, Read, Option<Drill>), ServeError> {
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

/// What runs beside the workers, on a runtime of its own.
struct Beside {
    keeper: Keeper,
    exporter: Option<Arc<Exporter>>,
    app: App,
    admin_calls: mpsc::Receiver<AdminCall>,
    own_listener: Option<TcpListener>,
    offer: Offer,
    supervisor: Supervisor,
}

impl Beside {
    /// Starts it all on the current runtime; gives what a successor will be told by.
    fn start(self, shared: &Arc<Shared>) -> mpsc::Receiver<Successor> {
        let tasks = Tasks::default();
        let drain = || shared.drain.watch();
        if let Some(listener) = self.own_listener {
            tasks.spawn(
                "admin",
                admin_listener::serve(listener, self.app.clone(), tasks.clone(), drain()),
            );
        }
        tasks.spawn("history", keep_history(self.app.clone()));
        tasks.spawn(
            "admin pages",
            pages::answer(self.app, self.admin_calls, tasks.clone(), drain()),
        );
        tasks.spawn("incidents", self.keeper.keep());
        if let Some(exporter) = self.exporter {
            tasks.spawn("traces", exporter.keep());
        }
        let measured = Arc::clone(shared);
        tasks.spawn("resources", async move {
            resources::keep_measuring(&measured.resources, &*measured.clock).await;
        });
        tasks.spawn("watchdog", self.supervisor.keep_fed(Arc::clone(shared)));
        let (taken, successor) = mpsc::channel(1);
        let (offer, closing) = (self.offer, drain::reached(drain(), Stage::Closing));
        tasks.spawn("handover", async move {
            // Held any longer, the sockets would take connections that nobody accepts.
            tokio::select! {
                () = offer.make(taken) => {}
                () = closing => {}
            }
        });
        successor
    }
}

/// What targets do is looked at so often: a minute that is shown is off by as much.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Notes what targets did, for the Providers page.
async fn keep_history(app: App) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        app.look_at_guards();
    }
}

/// From here on this gateway is the one that accepts.
fn relieve(
    predecessor: Predecessor,
    folder: &StateFolder,
    whereabouts: &str,
) -> Result<(), ServeError> {
    let (version, pid) = (predecessor.version.clone(), predecessor.pid);
    predecessor.relieve()?;
    folder.announce(whereabouts)?;
    tracing::info!(
        "took over from goodgate {version} (pid {pid}), which brings its calls to their end"
    );
    Ok(())
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
        labels: Labels::knowing(&policy.snapshot),
        admin: (policy.snapshot.admin.listen.is_none() && policy.snapshot.server.is_loopback())
            .then_some(door),
        policy: ArcSwap::from_pointee(policy),
        bytes: ByteBudget::new(bytes::default_limit()),
        registry: resilience::Registry::new(clock.now()),
        idempotency: Arc::default(),
        drained: Drained::default(),
        loads: Loads::default(),
        conversations: Arc::default(),
        lines: Arc::default(),
        resources: Resources::default(),
        clock: Arc::clone(clock),
        drain: Drain::default(),
    }))
}

fn admin_parts(
    shared: &Arc<Shared>,
    state: &State,
    server: &Server,
    own: Option<&TcpListener>,
) -> Result<AdminParts, ServeError> {
    let (policies, clock) = (Arc::clone(shared), Arc::clone(&shared.clock));
    let (drained, guarded, asked) = (Arc::clone(shared), Arc::clone(shared), Arc::clone(shared));
    let tables = server.in_flight().to_vec();
    let base_url = public_url(&shared.policy.load().snapshot, server.address());
    let listen = own.map_or_else(|| Ok(server.address()), TcpListener::local_addr)?;
    Ok(AdminParts {
        store: Arc::clone(&state.store),
        clock: Arc::clone(&clock),
        snapshot: Box::new(move || Arc::clone(&policies.policy.load().snapshot)),
        drains_changed: Box::new(move |marks| drained.drained.replace(marks)),
        in_flight: Box::new(move || running_calls(&tables, &*clock)),
        guards: Box::new(move || guards(&guarded)),
        well: Box::new(move || asked.policy.load().health()),
        metrics: scrapes(server),
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

fn side_runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(SIDE_THREADS)
        .enable_all()
        .build()
}

/// Sends what spans the last calls left; a collector that is away keeps nobody from ending.
fn end_side(side: Runtime, exporter: Option<Arc<Exporter>>) {
    if let Some(exporter) = exporter {
        side.block_on(async { drop(timeout(LAST_SPANS, exporter.flush()).await) });
    }
    side.shutdown_timeout(Duration::from_secs(1));
}

fn access_log(snapshot: &Snapshot) -> Result<AccessLog, ServeError> {
    let format = log_format(snapshot.log_format);
    let file = snapshot.telemetry.log_file.as_deref();
    AccessLog::start(format, file).map_err(|source| match file {
        Some(file) => ServeError::LogFile {
            file: file.to_owned(),
            source,
        },
        None => source.into(),
    })
}

/// What sends spans, where a collector is configured.
fn exporter(
    shared: &Arc<Shared>,
    resolver: &Arc<upstream::Resolver>,
) -> Result<Option<Arc<Exporter>>, ServeError> {
    let policy = shared.policy.load();
    let Some(settings) = &policy.snapshot.telemetry.traces else {
        return Ok(None);
    };
    let clock = &shared.clock;
    let options = upstream::ClientOptions::new(Arc::clone(resolver), Arc::clone(clock));
    let client = upstream::Client::new(options);
    let labels = Arc::clone(&shared.labels);
    let exporter = Exporter::new(settings, client, Arc::clone(clock), labels);
    let exporter = exporter.map_err(|cause| NotReady {
        place: "telemetry.otlp".to_owned(),
        cause,
    })?;
    Ok(Some(Arc::new(exporter)))
}

/// Incidents go on where the process before ended.
fn keeper(server: &Server, store: &Store, shared: &Arc<Shared>) -> Result<Keeper, ServeError> {
    let lasting = store.incidents(
        IncidentFilter {
            open: true,
            before: None,
        },
        incidents::MOST_OPEN,
    )?;
    Ok(Keeper::new(
        server.noted(),
        store.write_behind().clone(),
        server.scraper().incidents,
        Arc::clone(shared),
        (store.last_incident()?, lasting),
    ))
}

fn scrapes(server: &Server) -> admin::Scrapes {
    let scraper = server.scraper();
    Box::new(move |accept| {
        let format = Format::wanted(accept);
        admin::Scrape {
            content_type: format.content_type(),
            text: scraper.scrape(format),
        }
    })
}

/// Where breakers and limits stand, for people: moments as they are on their clocks.
fn guards(shared: &Shared) -> Vec<admin::Guard> {
    let (now, unix) = (shared.clock.now(), shared.clock.unix_millis());
    let millis = gateway::journal::access_log::millis;
    let past = |at| unix.saturating_sub(millis(now.saturating_duration_since(at)));
    let ahead = |at: std::time::Instant| unix + millis(at.saturating_duration_since(now));
    let of = |reading: resilience::registry::Reading| {
        let opened = reading.opened_by;
        let shadow = reading.shadow.counts().into_iter();
        let shadow = shadow.filter(|(_, count)| *count > 0);
        admin::Guard {
            level: reading.level.as_str().to_owned(),
            name: reading.name,
            state: reading.position.as_str().to_owned(),
            open_since_ms: opened.as_ref().map(|opened| past(opened.since)),
            cause: opened.as_ref().map(|opened| opened.cause.to_owned()),
            excerpt: opened
                .as_ref()
                .and_then(|opened| opened.excerpt.as_deref())
                .map(str::to_owned),
            next_probe_ms: reading.next_probe.map(ahead),
            resting_until_ms: reading.cooldown_until.map(ahead),
            limit: reading.limit,
            in_flight: reading.in_flight,
            answered: reading.answered,
            failed: reading.failed,
            recently_answered: reading.recent.0,
            recently_failed: reading.recent.1,
            repeats_left: reading.budget_left,
            shadow: shadow
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
        }
    };
    shared.registry.readings(now).into_iter().map(of).collect()
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

fn log_format(written: WrittenFormat) -> LogFormat {
    match written {
        WrittenFormat::Json => LogFormat::Json,
        WrittenFormat::Pretty => LogFormat::Pretty,
        WrittenFormat::Auto if screen::is_terminal() => LogFormat::Pretty,
        WrittenFormat::Auto => LogFormat::Json,
    }
}
