//! Takes a provider, one of its models or an upstream of a plain route out of use by hand, and puts it back.

use axum::Json;
use axum::extract::{Path, State};
use bytes::Bytes;
use config::Snapshot;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::DrainRow;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::problem::Problem;

/// The shortest and the longest time for which something may be drained.
const SHORTEST_MS: u64 = 1_000;
const LONGEST_MS: u64 = 30 * 86_400_000;
/// Characters of a reason.
const LONGEST_REASON: usize = 200;

/// For how long, and why. An empty body says neither.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DrainWish {
    /// For how long, in milliseconds: one second to 30 days; null: until it is resumed.
    pub for_ms: Option<u64>,
    /// Why, for whoever looks later and for callers who are told of it; at most 200 characters.
    pub reason: Option<String>,
}

/// Something that is out of use.
#[derive(Debug, Serialize, ToSchema)]
pub struct Drain {
    /// A provider, a `provider/model`, or an upstream's URL.
    pub name: String,
    /// Since when: milliseconds since 1970.
    pub since_ms: u64,
    /// Until when; null: until it is resumed.
    pub until_ms: Option<u64>,
    /// Why.
    pub reason: Option<String>,
}

/// What is in use again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Resumed {
    /// Its name.
    pub name: String,
    /// Whether it had been drained.
    pub was_drained: bool,
}

/// Takes a provider out of use: new calls go to other targets, running ones end as they are. It outlives a restart. A
/// second time replaces the first.
#[utoipa::path(
    post,
    path = "/api/v1/providers/{name}/drain",
    operation_id = "drain_provider",
    tag = "configuration",
    params(("name" = String, Path, description = "A provider; or, percent-encoded, a `provider/model` or an upstream's URL.")),
    request_body = Option<DrainWish>,
    responses((status = 200, body = Drain), (status = "4XX", body = Problem))
)]
pub(crate) async fn drain(
    State(app): State<Shared>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<Drain>, Problem> {
    let wish = wish(&body)?;
    if !is_known(&(app.parts().snapshot)(), &name) {
        return Err(unknown(&app, &name));
    }
    let now = app.parts().clock.unix_millis();
    let mark = DrainRow {
        name,
        since_millis: now,
        until_millis: wish.for_ms.map(|length| now.saturating_add(length)),
        reason: wish.reason,
    };
    let stored = mark.clone();
    app.change_drains(move |store| store.drain(&stored)).await?;
    tracing::warn!(
        name = mark.name,
        until_ms = mark.until_millis,
        "drained by hand"
    );
    Ok(Json(Drain::from(mark)))
}

/// Puts a provider back into use.
#[utoipa::path(
    post,
    path = "/api/v1/providers/{name}/resume",
    operation_id = "resume_provider",
    tag = "configuration",
    params(("name" = String, Path, description = "What was drained.")),
    responses((status = 200, body = Resumed), (status = "4XX", body = Problem))
)]
pub(crate) async fn resume(
    State(app): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Resumed>, Problem> {
    let marked = name.clone();
    let was_drained = app
        .change_drains(move |store| store.resume(&marked))
        .await?;
    // What is no longer configured may still be drained.
    if !was_drained && !is_known(&(app.parts().snapshot)(), &name) {
        return Err(unknown(&app, &name));
    }
    if was_drained {
        tracing::warn!(name, "resumed by hand");
    }
    Ok(Json(Resumed { name, was_drained }))
}

impl From<DrainRow> for Drain {
    fn from(mark: DrainRow) -> Self {
        Self {
            name: mark.name,
            since_ms: mark.since_millis,
            until_ms: mark.until_millis,
            reason: mark.reason,
        }
    }
}

fn wish(body: &[u8]) -> Result<DrainWish, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(DrainWish::default());
    }
    let wish: DrainWish = serde_json::from_slice(body).map_err(|error| {
        Problem::bad_request(
            "invalid_body",
            &format!("The body cannot be read: {error}."),
            "Send {\"for_ms\": 1800000, \"reason\": \"…\"}, or nothing.",
        )
    })?;
    let in_range = |length: &u64| (SHORTEST_MS..=LONGEST_MS).contains(length);
    if wish.for_ms.as_ref().is_some_and(|length| !in_range(length)) {
        return Err(Problem::bad_request(
            "invalid_body",
            "`for_ms` is out of range.",
            "`for_ms` is 1000 (a second) to 2592000000 (30 days); leave it out for no end.",
        ));
    }
    let is_long = |reason: &String| reason.chars().count() > LONGEST_REASON;
    if wish.reason.as_ref().is_some_and(is_long) {
        return Err(Problem::bad_request(
            "invalid_body",
            "`reason` is too long.",
            "Say it in 200 characters.",
        ));
    }
    Ok(wish)
}

/// Whether calls can go there.
fn is_known(snapshot: &Snapshot, name: &str) -> bool {
    let is_provider = |name: &str| snapshot.providers.contains_key(name);
    let is_upstream = || {
        let mut upstreams = snapshot.routes.iter().flat_map(|route| &route.upstreams);
        upstreams.any(|upstream| *upstream.label == *name)
    };
    let is_model = || {
        name.split_once('/').is_some_and(|(provider, model)| {
            is_provider(provider) && !model.is_empty() && snapshot.resolve(name).is_ok()
        })
    };
    is_provider(name) || is_model() || is_upstream()
}

fn unknown(app: &Shared, name: &str) -> Problem {
    let snapshot = (app.parts().snapshot)();
    let names: Vec<&str> = snapshot
        .providers_in_order()
        .map(|provider| provider.id.as_str())
        .collect();
    let shown: String = name.chars().take(100).collect();
    Problem::new(
        StatusCode::NOT_FOUND,
        "no_such_provider",
        &format!("There is no provider, model or upstream '{shown}'."),
        &format!("Name one of {}, or provider/model.", names.join(", ")),
    )
}
