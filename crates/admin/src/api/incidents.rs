//! Incidents: failures of one cause at one target, grouped from the first to the last.

#![expect(unused_qualifications, reason = "utoipa's macro writes them")]

use axum::Json;
use axum::extract::{Path, State};
use http::Uri;
use serde::{Deserialize, Serialize};
use store::{CallRow, IncidentFilter, IncidentId, IncidentRow, Store, StoreError};
use utoipa::{IntoParams, ToSchema};

use super::codes::CodeFacts;
use super::query;
use crate::app::Shared;
use crate::problem::Problem;

/// Incidents on a page unless asked otherwise, and at most.
const ROWS: u32 = 50;
const MOST_ROWS: u32 = 200;

/// Which incidents are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct IncidentQuery {
    /// Only those that last.
    pub open: Option<bool>,
    /// Where to go on: `next` of the page before.
    pub cursor: Option<String>,
    /// Incidents on the page, 1 to 200; 50 by default.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
}

/// A page of incidents, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncidentPage {
    /// The incidents.
    pub incidents: Vec<Incident>,
    /// The `cursor` of the next page; null when there are no older ones.
    pub next: Option<String>,
}

/// An incident.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Incident {
    /// Its name.
    #[schema(example = "inc_0142")]
    pub id: String,
    /// The target that failed.
    pub target: String,
    /// The failures' code.
    pub code: String,
    /// The code's group.
    pub group: String,
    /// When the first attempt failed: milliseconds since 1970.
    pub started_ms: u64,
    /// When the last one failed, so far.
    pub latest_ms: u64,
    /// When it ended, which is its last failure; null while it lasts.
    pub ended_ms: Option<u64>,
    /// Why it was closed: `health` or `quiet`.
    pub closed_by: Option<String>,
    /// Attempts that failed.
    pub attempts: u64,
    /// Calls that met it.
    pub calls: u64,
    /// Of those, answered all the same.
    pub saved: u64,
    /// Of those, failed. The rest was left by its clients.
    pub lost: u64,
    /// One line of evidence, of the last failure.
    pub evidence: Option<String>,
    /// The last call that met it.
    pub last_request: Option<String>,
}

/// An incident, and what its code means.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncidentDetail {
    /// The incident.
    pub incident: Incident,
    /// What the code means and what to do about it.
    pub code_facts: Option<CodeFacts>,
}

impl From<IncidentRow> for Incident {
    fn from(row: IncidentRow) -> Self {
        Self {
            id: row.id.to_string(),
            target: row.target.to_string(),
            code: row.code.into_owned(),
            group: row.group.into_owned(),
            started_ms: row.started_millis,
            latest_ms: row.latest_millis,
            ended_ms: row.ended_millis,
            closed_by: row.closed_by.map(store::Word::into_owned),
            attempts: row.attempts,
            calls: row.calls,
            saved: row.saved,
            lost: row.lost,
            evidence: row.evidence,
            last_request: row.last_call.map(|call| call.to_string()),
        }
    }
}

/// Incidents, the latest first.
#[utoipa::path(
    get,
    path = "/api/v1/incidents",
    operation_id = "list_incidents",
    tag = "incidents",
    params(IncidentQuery),
    responses(
        (status = 200, body = IncidentPage),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem)
    )
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    uri: Uri,
) -> Result<Json<IncidentPage>, Problem> {
    let asked: IncidentQuery = query::read(&uri)?;
    let before = match asked.cursor.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(IncidentId::parse(text).ok_or_else(|| {
            Problem::bad_query(
                "cursor",
                "is the `next` of the page before, as it was given",
            )
        })?),
    };
    let limit = asked.limit.unwrap_or(ROWS);
    if !(1..=MOST_ROWS).contains(&limit) {
        return Err(Problem::bad_query("limit", "is 1 to 200"));
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let filter = IncidentFilter {
        open: asked.open.unwrap_or(false),
        before,
    };
    // One more than wanted tells whether there is another page.
    let mut rows = app
        .blocking(move |store| store.incidents(filter, limit + 1))
        .await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| row.id.to_string());
    Ok(Json(IncidentPage {
        incidents: rows.into_iter().map(Incident::from).collect(),
        next,
    }))
}

/// One incident.
#[utoipa::path(
    get,
    path = "/api/v1/incidents/{id}",
    operation_id = "get_incident",
    tag = "incidents",
    params(("id" = String, Path, description = "Its name.", example = "inc_0142")),
    responses(
        (status = 200, body = IncidentDetail),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem)
    )
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<IncidentDetail>, Problem> {
    let Some(number) = IncidentId::parse(&id) else {
        return Err(Problem::not_found(
            "invalid_incident_id",
            "This is not an incident's name.",
            "A name is inc_ and a number, such as inc_0142.",
        ));
    };
    let found = app.blocking(move |store| store.incident(number)).await?;
    let Some(row) = found else {
        return Err(Problem::not_found(
            "no_such_incident",
            "There is no incident of this name.",
            "It may be older than the retention time; GET /api/v1/incidents lists those there are.",
        ));
    };
    Ok(Json(IncidentDetail {
        code_facts: CodeFacts::find(&row.code),
        incident: Incident::from(row),
    }))
}

/// The incident that a call met: that of the code its client was told, where there is one, else of its first failure.
pub(super) fn of_call(store: &Store, call: &CallRow) -> Result<Option<IncidentRow>, StoreError> {
    let mut found = None;
    for attempt in &call.attempts {
        let Some(code) = &attempt.code else { continue };
        let at = call.unix_millis + attempt.at_ms + attempt.ms;
        let Some(row) = store.incident_of(&attempt.target, code, at)? else {
            continue;
        };
        if call.code.as_ref() == Some(code) {
            return Ok(Some(row));
        }
        found.get_or_insert(row);
    }
    Ok(found)
}
