//! Calls that ended: a page of them, and one whole.

#![expect(unused_qualifications, reason = "utoipa's macro writes them")]

use axum::Json;
use axum::extract::{Path, State};
use http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{CallDetails, CallRow, Cursor, Filter, Store, StoreError};
use types::CallId;
use utoipa::{IntoParams, ToSchema};

use super::codes::CodeFacts;
use super::incidents::{self, Incident};
use super::query;
use super::wire::{NotKept, Request, raw};
use crate::app::Shared;
use crate::problem::Problem;

/// Rows on a page unless asked otherwise, and at most.
const ROWS: u32 = 50;
const MOST_ROWS: u32 = 200;

/// Which calls are wanted; all conditions must hold.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RequestQuery {
    /// Outcomes, separated by commas: `failed,recovered`.
    pub outcome: Option<String>,
    /// The model or route asked for, exactly.
    pub model: Option<String>,
    /// The caller's key, by name.
    pub key: Option<String>,
    /// A target that served or was tried.
    pub target: Option<String>,
    /// A code of the call or of one of its attempts.
    pub code: Option<String>,
    /// The status the client got, or an attempt's.
    pub status: Option<u16>,
    /// The beginning of a request id, a client's request id or an upstream's.
    pub q: Option<String>,
    /// Ended at this time or later: milliseconds since 1970.
    pub since: Option<u64>,
    /// Ended before this time: milliseconds since 1970.
    pub until: Option<u64>,
    /// Where to go on: `next` of the page before.
    pub cursor: Option<String>,
    /// Rows on the page, 1 to 200; 50 by default.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
}

impl RequestQuery {
    /// The conditions as the store takes them.
    ///
    /// # Errors
    /// A problem that names the parameter.
    pub fn filter(&self) -> Result<Filter, Problem> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Ok(Filter {
            outcomes: query::outcomes(self.outcome.as_deref())?,
            model: given(&self.model),
            key: given(&self.key),
            target: given(&self.target),
            code: given(&self.code),
            status: self.status,
            text: given(&self.q),
            since: self.since,
            until: self.until,
        })
    }
}

/// A page of calls, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestPage {
    /// The calls.
    pub requests: Vec<Request>,
    /// The `cursor` of the next page; null when there are no older calls. A page may be short and yet have a next one.
    pub next: Option<String>,
    /// Calls of the page's span of time of which no row was kept.
    pub not_kept: Vec<NotKept>,
}

/// One call with everything that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestDetail {
    /// The call; its attempts carry `full_evidence`.
    pub request: Request,
    /// The error body that the client got, verbatim.
    #[schema(value_type = Option<std::collections::BTreeMap<String, serde_json::Value>>)]
    pub error: Option<Box<RawValue>>,
    /// What the call's code means and what to do about it.
    pub code_facts: Option<CodeFacts>,
    /// The incident that it met: other calls failed in the same way at the same target.
    pub incident: Option<Incident>,
    /// How the gateway decided.
    pub policy: Policy,
    /// Targets that were passed over.
    pub not_tried: Vec<NotTried>,
    /// What translation could not carry.
    pub losses: Vec<Loss>,
    /// What else the client said of itself.
    pub client: Vec<Named>,
    /// The caller's W3C trace id.
    pub trace_id: Option<String>,
}

/// The rules that held for one call.
#[derive(Debug, Serialize, ToSchema)]
pub struct Policy {
    /// The targets that were planned, in order.
    pub plan: Vec<String>,
    /// Version of the configuration.
    pub config_version: Option<u64>,
    /// The limit of attempts.
    pub max_attempts: Option<u32>,
    /// The whole call's time limit.
    pub deadline_ms: Option<u64>,
    /// Whether the client set that limit.
    pub deadline_from_client: bool,
    /// What was held back until it was known to be good: `first_content` or `whole`.
    pub hold: Option<String>,
    /// The `retry-after` that the client was told.
    pub retry_after_ms: Option<u64>,
    /// The `x-should-retry` that the client was told.
    pub should_retry: Option<bool>,
    /// Other decisions.
    pub more: Vec<Named>,
}

/// A target that got no attempt.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotTried {
    /// The target.
    pub target: String,
    /// Why, as a code.
    pub why: String,
    /// The incident for which it was left alone, where failures were the reason.
    pub incident: Option<Incident>,
}

/// Something that a translation could not carry over.
#[derive(Debug, Serialize, ToSchema)]
pub struct Loss {
    /// The field, as the client wrote it.
    pub field: String,
    /// Why it is lost.
    pub why: String,
}

/// A name and a value.
#[derive(Debug, Serialize, ToSchema)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// Calls, the latest first.
///
/// One request gives all that a list needs: rows with their attempts, notes of rows that were not kept, the next cursor.
#[utoipa::path(
    get,
    path = "/api/v1/requests",
    operation_id = "list_requests",
    tag = "requests",
    params(RequestQuery),
    responses((status = 200, body = RequestPage), (status = "4XX", body = Problem), (status = "5XX", body = Problem))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    uri: Uri,
) -> Result<Json<RequestPage>, Problem> {
    let asked: RequestQuery = query::read(&uri)?;
    let filter = asked.filter()?;
    let before = query::cursor(asked.cursor.as_deref())?;
    let limit = asked.limit.unwrap_or(ROWS);
    if !(1..=MOST_ROWS).contains(&limit) {
        return Err(Problem::bad_query("limit", "is between 1 and 200"));
    }
    let limit = usize::try_from(limit).unwrap_or(1);
    let page = app
        .blocking(move |store| store.recent(&filter, before, limit))
        .await?;
    Ok(Json(RequestPage {
        requests: page.rows.iter().map(Request::from).collect(),
        next: page.next.map(|cursor: Cursor| cursor.to_string()),
        not_kept: page.not_kept.iter().map(NotKept::from).collect(),
    }))
}

/// One call, whole.
#[utoipa::path(
    get,
    path = "/api/v1/requests/{id}",
    operation_id = "get_request",
    tag = "requests",
    params(("id" = String, Path, description = "The request id", example = "req_01K9ZQ7V3M8T2ABCDEFGHJKMNP")),
    responses((status = 200, body = RequestDetail), (status = "4XX", body = Problem), (status = "5XX", body = Problem))
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<RequestDetail>, Problem> {
    let Some(id) = CallId::parse(&id) else {
        return Err(Problem::not_found(
            "invalid_request_id",
            "This is not a request id.",
            "A request id is `req_` and 26 characters; it stands in the answer's `x-request-id` header.",
        ));
    };
    let found = app.blocking(move |store| {
        let Some(kept) = store.get(id)? else {
            return Ok(None);
        };
        let incident = incidents::of_call(store, &kept.call)?;
        let not_tried = not_tried(store, &kept.call)?;
        Ok(Some((kept, incident, not_tried)))
    });
    let Some((kept, incident, not_tried)) = found.await? else {
        return Err(Problem::not_found(
            "request_not_found",
            "No call of this id is stored.",
            "It may be older than the retention time, or one of those that were counted but not kept under load \
             (see not_kept in GET /api/v1/requests).",
        ));
    };
    let call = &kept.call;
    let details = &call.details;
    let mut request = Request::from(&kept);
    for (shown, row) in request.attempts.iter_mut().zip(&call.attempts) {
        shown.full_evidence = raw(row.evidence_json.as_deref());
    }
    Ok(Json(RequestDetail {
        request,
        error: raw(call.error_json.as_deref()),
        code_facts: call.code.as_deref().and_then(CodeFacts::find),
        incident: incident.map(Incident::from),
        policy: Policy::from(details),
        not_tried,
        losses: details
            .losses
            .iter()
            .map(|loss| Loss {
                field: loss.field.clone(),
                why: loss.why.clone(),
            })
            .collect(),
        client: named(&details.client),
        trace_id: details.trace_id.clone(),
    }))
}

/// Why targets that fail are left alone.
const FOR_FAILURES: [&str; 3] = ["circuit_open", "key_disabled", "resting"];

/// A breaker stays open for so long after the last failure at most, as a rule.
const STAYS_OPEN_MS: u64 = 60_000;

fn not_tried(store: &Store, call: &CallRow) -> Result<Vec<NotTried>, StoreError> {
    let skipped = call.details.not_tried.iter();
    skipped
        .map(|skipped| {
            let incident = match FOR_FAILURES.contains(&&*skipped.why) {
                true => store.incident_at(&skipped.target, call.unix_millis, STAYS_OPEN_MS)?,
                false => None,
            };
            Ok(NotTried {
                target: skipped.target.to_string(),
                why: skipped.why.clone().into_owned(),
                incident: incident.map(Incident::from),
            })
        })
        .collect()
}

impl From<&CallDetails> for Policy {
    fn from(details: &CallDetails) -> Self {
        Self {
            plan: details
                .plan
                .iter()
                .map(|target| target.to_string())
                .collect(),
            config_version: details.config_version,
            max_attempts: details.max_attempts,
            deadline_ms: details.deadline_ms,
            deadline_from_client: details.deadline_from_client,
            hold: details.hold.as_ref().map(|hold| hold.clone().into_owned()),
            retry_after_ms: details.retry_after_ms,
            should_retry: details.should_retry,
            more: named(&details.policy),
        }
    }
}

fn named(pairs: &[(store::Word, String)]) -> Vec<Named> {
    pairs
        .iter()
        .map(|(name, value)| Named {
            name: name.clone().into_owned(),
            value: value.clone(),
        })
        .collect()
}
