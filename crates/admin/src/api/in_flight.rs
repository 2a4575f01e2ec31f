//! Calls that run at this moment.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::problem::Problem;

/// The running calls, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct InFlight {
    /// The gateway's time: milliseconds since 1970.
    pub now_ms: u64,
    /// How many run; `calls` holds the 500 oldest.
    pub total: u64,
    /// The calls.
    pub calls: Vec<RunningCall>,
}

/// A running call.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunningCall {
    /// Its id.
    pub id: String,
    /// For how long it has run.
    pub age_ms: u64,
    /// The caller's key, by name.
    pub key: Option<String>,
    /// The model asked for, or the route's name.
    pub model: Option<String>,
    /// Where the latest attempt went.
    pub target: Option<String>,
    /// That attempt's number; 0 before the first.
    pub attempt: u32,
    /// How far it is: `reading`, `attempting` or `relaying`.
    pub phase: String,
}

/// Running calls listed at most.
const MOST: usize = 500;

/// Calls that run at this moment.
#[utoipa::path(
    get,
    path = "/api/v1/in-flight",
    operation_id = "list_in_flight",
    tag = "requests",
    responses((status = 200, body = InFlight), (status = "4XX", body = Problem))
)]
pub(crate) async fn list(State(app): State<Shared>) -> Json<InFlight> {
    let mut calls = (app.parts().in_flight)();
    calls.sort_by(|one, other| {
        other
            .age_ms
            .cmp(&one.age_ms)
            .then_with(|| one.id.cmp(&other.id))
    });
    let total = u64::try_from(calls.len()).unwrap_or(u64::MAX);
    calls.truncate(MOST);
    Json(InFlight {
        now_ms: app.parts().clock.unix_millis(),
        total,
        calls,
    })
}
