//! Who is signed in, signing out, and fresh links.

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::problem::Problem;
use crate::session::Visitor;

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// How it was shown: `browser` (a link's cookie) or `token` (the state folder's file).
    pub kind: String,
    /// When it ends: milliseconds since 1970; null for the token.
    pub expires_ms: Option<u64>,
}

/// A link that signs a browser in, once.
#[derive(Debug, Serialize, ToSchema)]
pub struct Link {
    /// The link.
    pub url: String,
    /// Until when it works: milliseconds since 1970.
    pub expires_ms: u64,
}

/// Who asks.
#[utoipa::path(
    get,
    path = "/api/v1/session",
    operation_id = "get_session",
    tag = "session",
    responses((status = 200, body = SessionView), (status = "4XX", body = Problem))
)]
pub(crate) async fn get(Extension(visitor): Extension<Visitor>) -> Json<SessionView> {
    Json(match visitor {
        Visitor::Browser { expires_ms, .. } => SessionView {
            kind: "browser".to_owned(),
            expires_ms: Some(expires_ms),
        },
        Visitor::Token => SessionView {
            kind: "token".to_owned(),
            expires_ms: None,
        },
    })
}

/// Signs the browser out.
#[utoipa::path(
    delete,
    path = "/api/v1/session",
    operation_id = "end_session",
    tag = "session",
    responses((status = 204), (status = "4XX", body = Problem))
)]
pub(crate) async fn delete(
    State(app): State<Shared>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let mut headers = HeaderMap::new();
    if let Visitor::Browser { id, expires_ms } = visitor {
        app.sessions().end(id, expires_ms);
        headers.insert(header::SET_COOKIE, app.sessions().cookie_that_clears());
    }
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Makes a fresh link that signs a browser in; for the CLI, which shows the token.
#[utoipa::path(
    post,
    path = "/api/v1/session/links",
    operation_id = "create_link",
    tag = "session",
    responses((status = 201, body = Link), (status = "4XX", body = Problem))
)]
pub(crate) async fn create_link(State(app): State<Shared>) -> (StatusCode, Json<Link>) {
    let (url, expires_ms) = app.new_link();
    (StatusCode::CREATED, Json(Link { url, expires_ms }))
}
