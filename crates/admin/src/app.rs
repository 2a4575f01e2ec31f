//! What the API is made of, and the way of a request through it.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing;
use bytes::Bytes;
use config::Snapshot;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use store::{DrainRow, Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service;
use types::{Clock, Secret};

use crate::api::{self, Guard, RunningCall};
use crate::history::History;
use crate::problem::Problem;
use crate::session::{Sessions, Visitor};
use crate::{assets, browser, metrics, openapi};

/// The body of every answer: whole, or a stream that ends when the client leaves.
pub type Body = axum::body::Body;

/// Readers of the store at a time; more wait for their turn. It has four connections, and a page takes milliseconds.
const READING: usize = 16;
/// Live streams at a time; more are refused.
const LIVE: usize = 64;

/// What the API shows and needs, from whoever puts the gateway together.
pub struct Parts {
    /// Calls, counts and keys.
    pub store: Arc<Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The configuration in force.
    pub snapshot: Box<dyn Fn() -> Arc<Snapshot> + Send + Sync>,
    /// Puts the marks of what is drained in force; called with all of them after each change.
    pub drains_changed: Box<dyn Fn(Vec<DrainRow>) + Send + Sync>,
    /// The calls that run at this moment.
    pub in_flight: Box<dyn Fn() -> Vec<RunningCall> + Send + Sync>,
    /// Where breakers and limits stand: providers, keys, targets, each in the order of their names.
    pub guards: Box<dyn Fn() -> Vec<Guard> + Send + Sync>,
    /// Which upstreams of plain routes are well, by URL: those whose health is asked after.
    pub well: Box<dyn Fn() -> Vec<(String, bool)> + Send + Sync>,
    /// The metrics, in the format that an `Accept` header asks for.
    pub metrics: Scrapes,
    /// The program's version.
    pub version: String,
    /// The command that prints the first key's variables for a shell: `goodgate env`, with path and flags where it
    /// needs them.
    pub env_command: String,
    /// Where clients reach the gateway, without a version segment: `http://127.0.0.1:4000`.
    pub base_url: String,
    /// Where browsers reach the web UI, without `/ui`; often the same.
    pub ui_url: String,
    /// The address on which the web UI is served.
    pub listen: SocketAddr,
    /// What the CLI shows; see [`crate::load_token`].
    pub admin_token: Secret,
}

/// Reads the metrics; blocks for as long as it takes to add them up.
pub type Scrapes = Box<dyn Fn(Option<&str>) -> Scrape + Send + Sync>;

/// The metrics of this moment.
#[derive(Clone, Debug)]
pub struct Scrape {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The text.
    pub text: String,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("store", &self.store)
            .field("listen", &self.listen)
            .field("ui_url", &self.ui_url)
            .finish_non_exhaustive()
    }
}

/// What the API's functions get.
pub(crate) type Shared = Arc<Inner>;

pub(crate) struct Inner {
    parts: Parts,
    sessions: Sessions,
    started_ms: u64,
    history: History,
    reading: Arc<Semaphore>,
    live: Arc<Semaphore>,
    /// One change of what is drained at a time, so that the last one stored is the last one in force.
    draining: Semaphore,
}

impl Inner {
    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(crate) fn started_ms(&self) -> u64 {
        self.started_ms
    }

    /// Where breakers and limits stand; the history learns of it.
    pub(crate) fn guards(&self) -> Vec<Guard> {
        let guards = (self.parts.guards)();
        self.history.look(&guards, self.parts.clock.unix_millis());
        guards
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// Asks the store where blocking is allowed.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let store = Arc::clone(&self.parts.store);
        let permit = Arc::clone(&self.reading).acquire_owned().await;
        let asked = tokio::task::spawn_blocking(move || {
            // Kept until the work is done, even if whoever asked has left.
            let _permit = permit;
            ask(&store)
        });
        match asked.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the store cannot be read"
                );
                Err(Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "store_unavailable",
                    "The store cannot be read at the moment; calls are served all the same.",
                    "See the gateway's log for the reason.",
                ))
            }
            Err(_panicked) => Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                "A bug in goodgate: reading the store failed.",
                "See the gateway's log, and report it.",
            )),
        }
    }

    /// Changes what is drained, in the store and then in force.
    pub(crate) async fn change_drains<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let _one_at_a_time = self.draining.acquire().await;
        let (changed, marks) = self
            .blocking(|store| Ok((change(store)?, store.drains()?)))
            .await?;
        (self.parts.drains_changed)(marks);
        Ok(changed)
    }

    /// Adds up the metrics where blocking is allowed.
    pub(crate) async fn scrape(
        self: &Arc<Self>,
        accept: Option<String>,
    ) -> Result<Scrape, tokio::task::JoinError> {
        let app = Arc::clone(self);
        tokio::task::spawn_blocking(move || (app.parts.metrics)(accept.as_deref())).await
    }

    /// A place among the live streams.
    pub(crate) fn live_permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.live).try_acquire_owned().map_err(|_| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_live_streams",
                "64 live streams are open, which is the limit.",
                "Close some browser tabs, or read GET /api/v1/requests now and then.",
            )
        })
    }

    /// A link that signs a browser in once, and until when it works.
    pub(crate) fn new_link(&self) -> (String, u64) {
        let (token, expires_ms) = self.sessions.new_link(self.parts.clock.unix_millis());
        (format!("{}/ui?t={token}", self.parts.ui_url), expires_ms)
    }
}

/// The admin API and web UI. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct App {
    inner: Shared,
    router: Router,
}

impl App {
    /// Puts it together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let inner = Arc::new(Inner {
            sessions: Sessions::new(&parts.admin_token, parts.listen.port(), &parts.ui_url),
            started_ms: parts.clock.unix_millis(),
            history: History::default(),
            reading: Arc::new(Semaphore::new(READING)),
            live: Arc::new(Semaphore::new(LIVE)),
            draining: Semaphore::new(1),
            parts,
        });
        Self {
            router: router(Arc::clone(&inner)),
            inner,
        }
    }

    /// Notes what targets did since the last time: several times a minute, so that each minute has its own.
    pub fn look_at_guards(&self) {
        drop(self.inner.guards());
    }

    /// A link that signs a browser in: once, for ten minutes.
    #[must_use]
    pub fn sign_in_link(&self) -> String {
        self.inner.new_link().0
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("App").field(&self.inner.parts).finish()
    }
}

fn router(inner: Shared) -> Router {
    Router::new()
        .route("/api/v1/requests", routing::get(api::requests::list))
        .route("/api/v1/requests/live", routing::get(api::live::follow))
        .route("/api/v1/requests/{id}", routing::get(api::requests::get))
        .route("/api/v1/incidents", routing::get(api::incidents::list))
        .route("/api/v1/incidents/{id}", routing::get(api::incidents::get))
        .route("/api/v1/in-flight", routing::get(api::in_flight::list))
        .route("/api/v1/counts", routing::get(api::counts::get))
        .route("/api/v1/summary", routing::get(api::counts::summary))
        .route("/api/v1/models", routing::get(api::models::list))
        .route("/api/v1/providers", routing::get(api::providers::list))
        .route(
            "/api/v1/providers/{name}/drain",
            routing::post(api::drains::drain),
        )
        .route(
            "/api/v1/providers/{name}/resume",
            routing::post(api::drains::resume),
        )
        .route("/api/v1/codes", routing::get(api::codes::list))
        .route("/api/v1/codes/{code}", routing::get(api::codes::get))
        .route("/api/v1/status", routing::get(api::status::get))
        .route("/api/v1/snippets", routing::get(api::snippets::get))
        .route(
            "/api/v1/session",
            routing::get(api::session::get).delete(api::session::delete),
        )
        .route(
            "/api/v1/session/links",
            routing::post(api::session::create_link),
        )
        .fallback(|| async { not_found() })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This path does not take that method.",
                "See GET /api/openapi.json for what each path takes.",
            )
        })
        .with_state(inner)
}

fn not_found() -> Problem {
    Problem::not_found(
        "no_such_path",
        "There is nothing at this path.",
        "See GET /api/openapi.json for the paths there are; the web UI is at /ui.",
    )
}

/// Answers one request of `peer` under `/ui` or `/api` (and `/`, which leads to `/ui`), or for the metrics.
///
/// # Cancel safety
/// May be dropped at any time; nothing it has begun to change is left half done.
pub async fn answer<B>(app: &App, request: Request<B>, peer: SocketAddr) -> Response<Body>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let mut response = match dispatch(app, request.map(Body::new), peer).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    protect(response.headers_mut());
    response
}

async fn dispatch(
    app: &App,
    mut request: Request<Body>,
    peer: SocketAddr,
) -> Result<Response, Problem> {
    let inner = &app.inner;
    let metrics = (inner.parts.snapshot)().telemetry.metrics.clone();
    if metrics.as_deref() == Some(request.uri().path()) && request.method() == Method::GET {
        metrics::check(inner, &request, peer)?;
        let accept = request.headers().get(header::ACCEPT).cloned();
        return metrics::answer(inner, accept).await;
    }
    browser::check(&request, &inner.parts)?;
    let path = request.uri().path();
    if path == "/" || path == "/ui" || path.starts_with("/ui/") {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "The web UI's files can only be read.",
                "Use GET.",
            ));
        }
        return Ok(inner
            .sessions
            .trade(&request, inner.parts.clock.unix_millis())
            .unwrap_or_else(|| assets::serve(&request)));
    }
    if path == "/api/openapi.json" && request.method() == Method::GET {
        let content_type = HeaderValue::from_static("application/json");
        return Ok((
            [(header::CONTENT_TYPE, content_type)],
            openapi::openapi_json(),
        )
            .into_response());
    }
    if !path.starts_with("/api/") {
        return Err(not_found());
    }
    let visitor = inner
        .sessions
        .identify(&request, inner.parts.clock.unix_millis())?;
    if matches!(visitor, Visitor::Browser { .. }) {
        browser::check_origin(&request)?;
    }
    request.extensions_mut().insert(visitor);
    let mut router = app.router.clone();
    let answered: Result<Response, Infallible> = router.call(request).await;
    let mut response = match answered {
        Ok(response) => response,
        Err(never) => match never {},
    };
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What every answer tells a browser.
fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
