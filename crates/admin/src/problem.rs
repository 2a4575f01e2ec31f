//! Errors of the admin API: `application/problem+json` (RFC 9457) with a code and the fix.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// An error, as the API answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` says what it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: String,
    /// The status.
    pub status: u16,
    /// A stable word.
    pub code: &'static str,
    /// What is wrong, one sentence.
    pub detail: String,
    /// What to do about it.
    pub fix: String,
}

impl Problem {
    /// A problem of any status.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: &str, fix: &str) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            code,
            detail: detail.to_owned(),
            fix: fix.to_owned(),
        }
    }

    pub(crate) fn bad_request(code: &'static str, detail: &str, fix: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail, fix)
    }

    pub(crate) fn bad_query(parameter: &str, rule: &str) -> Self {
        Self::bad_request(
            "invalid_query",
            &format!("The query parameter `{parameter}` is wrong."),
            &format!("`{parameter}` {rule}."),
        )
    }

    pub(crate) fn not_found(code: &'static str, detail: &str, fix: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail, fix)
    }

    pub(crate) fn forbidden(code: &'static str, detail: &str, fix: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail, fix)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let content_type = HeaderValue::from_static("application/problem+json");
        (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
    }
}
