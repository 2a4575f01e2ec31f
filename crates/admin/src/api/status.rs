//! The gateway itself.

use axum::Json;
use axum::extract::State;
use config::Origin;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::problem::Problem;

/// What runs, since when, and from which configuration.
#[derive(Debug, Serialize, ToSchema)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it started: milliseconds since 1970.
    pub started_ms: u64,
    /// Its time: milliseconds since 1970.
    pub now_ms: u64,
    /// Where clients reach it, without a version segment.
    pub base_url: String,
    /// Its configuration.
    pub config: ConfigStatus,
    /// Whether the scripted `demo/*` models are on.
    pub demo: bool,
    /// Calls that run.
    pub in_flight: u64,
    /// Where calls are stored.
    pub storage: StorageStatus,
}

/// The configuration in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfigStatus {
    /// Counts up with every reload, from 1.
    pub version: u64,
    /// The file; null when it was made from the environment.
    pub file: Option<String>,
}

/// The state of the store.
#[derive(Debug, Serialize, ToSchema)]
pub struct StorageStatus {
    /// Rows that wait to be written.
    pub queued: u64,
    /// Why nothing can be stored at the moment, if so; calls are served and counted all the same.
    pub trouble: Option<String>,
}

/// The gateway itself.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    operation_id = "get_status",
    tag = "status",
    responses((status = 200, body = Status), (status = "4XX", body = Problem))
)]
pub(crate) async fn get(State(app): State<Shared>) -> Json<Status> {
    let parts = app.parts();
    let snapshot = (parts.snapshot)();
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    Json(Status {
        version: parts.version.clone(),
        pid: std::process::id(),
        started_ms: app.started_ms(),
        now_ms: parts.clock.unix_millis(),
        base_url: parts.base_url.clone(),
        config: ConfigStatus {
            version: snapshot.version,
            file: match &snapshot.origin {
                Origin::File(path) => Some(path.display().to_string()),
                Origin::Environment => None,
            },
        },
        demo: snapshot.demo,
        in_flight: count((parts.in_flight)().len()),
        storage: StorageStatus {
            queued: count(parts.store.write_behind().queued()),
            trouble: parts.store.trouble(),
        },
    })
}
