//! The metrics' door: open to this machine, to others with the admin token.
//!
//! Target names, traffic and money are not for everybody. What came through a proxy on this machine came from elsewhere.

use std::net::SocketAddr;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Request, StatusCode, header};

use crate::app::{Scrape, Shared};
use crate::browser;
use crate::problem::Problem;

/// Lets through who may read them.
pub(crate) fn check(
    app: &Shared,
    request: &Request<Body>,
    peer: SocketAddr,
) -> Result<(), Problem> {
    let headers = request.headers();
    let is_passed_on = headers.contains_key("forwarded") || headers.contains_key("x-forwarded-for");
    let is_local = peer.ip().to_canonical().is_loopback() && !is_passed_on;
    if is_local {
        // A page that somebody visits is on this machine, too.
        return browser::check(request, app.parts());
    }
    app.sessions()
        .identify(request, app.parts().clock.unix_millis())
        .map(drop)
}

/// The metrics, in the format that an `Accept` header asks for.
pub(crate) async fn answer(app: &Shared, accept: Option<HeaderValue>) -> Result<Response, Problem> {
    let accept = accept.and_then(|value| value.to_str().ok().map(str::to_owned));
    let scraped = app.scrape(accept).await;
    let Ok(Scrape { content_type, text }) = scraped else {
        return Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "A bug in goodgate: the metrics cannot be read.",
            "See the gateway's log, and report it.",
        ));
    };
    let content_type = HeaderValue::from_static(content_type);
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}
