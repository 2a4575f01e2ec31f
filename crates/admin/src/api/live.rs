//! Calls as they end: server-sent events.

#![expect(unused_qualifications, reason = "utoipa's macro writes them")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Uri, header};
use serde::{Deserialize, Serialize};
use store::{CallRow, News, Outcome};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time;
use utoipa::{IntoParams, ToSchema};

use super::query;
use super::wire::{NotKept, Request};
use crate::app::Shared;
use crate::problem::Problem;

/// A line of silence keeps proxies and browsers from closing a quiet stream.
const PING_EVERY: Duration = Duration::from_secs(15);

/// Which calls are told; all conditions must hold.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LiveQuery {
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
}

/// Says that the reader was too slow and calls were skipped: the list is to be read anew.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Lagged {
    /// How many events were skipped.
    pub missed: u64,
}

/// Calls as they end.
///
/// A stream of server-sent events: `ready` once it is open, `request` with a `Request` as data and its `seq` as id,
/// `not_kept` with a `NotKept`, and `lagged` with a `Lagged` when the reader was too slow. A comment every 15 s keeps
/// the line open. Read the first page after `ready`, and nothing falls between the two.
#[utoipa::path(
    get,
    path = "/api/v1/requests/live",
    operation_id = "follow_requests",
    tag = "requests",
    params(LiveQuery),
    responses(
        (status = 200, content_type = "text/event-stream", body = String),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem)
    )
)]
pub(crate) async fn follow(State(app): State<Shared>, uri: Uri) -> Result<Response, Problem> {
    let asked: LiveQuery = query::read(&uri)?;
    let wanted = Wanted {
        outcomes: query::outcomes(asked.outcome.as_deref())?,
        query: asked,
    };
    let permit = app.live_permit()?;
    let follower = Follower {
        news: app.parts().store.subscribe(),
        wanted,
        opened: false,
        ping_every: PING_EVERY,
        _permit: permit,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let bytes = follower.next().await?;
        Some((Ok::<Bytes, Infallible>(bytes), follower))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx in front would hold events back otherwise.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

struct Follower {
    news: Receiver<News>,
    wanted: Wanted,
    opened: bool,
    ping_every: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// The next event's bytes; none when the store is closed.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.opened {
            self.opened = true;
            return Some(Bytes::from_static(
                b"retry: 2000\nevent: ready\ndata: {}\n\n",
            ));
        }
        loop {
            let Ok(received) = time::timeout(self.ping_every, self.news.recv()).await else {
                return Some(Bytes::from_static(b": ping\n\n"));
            };
            match received {
                Ok(News::Call(kept)) => {
                    if self.wanted.wants(&kept.call) {
                        let request = Request::from(Arc::as_ref(&kept));
                        return Some(event("request", Some(kept.seq), &request));
                    }
                }
                Ok(News::NotKept(note)) => {
                    return Some(event("not_kept", None, &NotKept::from(&note)));
                }
                Err(RecvError::Lagged(missed)) => {
                    return Some(event("lagged", None, &Lagged { missed }));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn event(name: &str, id: Option<i64>, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
    Bytes::from(match id {
        Some(id) => format!("event: {name}\nid: {id}\ndata: {data}\n\n"),
        None => format!("event: {name}\ndata: {data}\n\n"),
    })
}

struct Wanted {
    outcomes: Vec<Outcome>,
    query: LiveQuery,
}

impl Wanted {
    /// The same conditions as a list's, asked of one row.
    fn wants(&self, call: &CallRow) -> bool {
        let wish = |wish: &Option<String>| wish.clone().filter(|text| !text.is_empty());
        let query = &self.query;
        (self.outcomes.is_empty() || self.outcomes.contains(&call.outcome))
            && wish(&query.model).is_none_or(|model| call.model.as_deref() == Some(&*model))
            && wish(&query.key)
                .is_none_or(|key| call.key.as_ref().is_some_and(|own| own.as_str() == key))
            && wish(&query.target).is_none_or(|target| {
                call.served_by.as_deref() == Some(&*target)
                    || call
                        .attempts
                        .iter()
                        .any(|attempt| *attempt.target == *target)
            })
            && wish(&query.code).is_none_or(|code| {
                call.code.as_deref() == Some(&*code)
                    || call
                        .attempts
                        .iter()
                        .any(|attempt| attempt.code.as_deref() == Some(&*code))
            })
            && query.status.is_none_or(|status| {
                call.status == Some(status)
                    || call
                        .attempts
                        .iter()
                        .any(|attempt| attempt.status == Some(status))
            })
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{Semaphore, broadcast};

    use super::*;

    #[tokio::test]
    async fn a_quiet_stream_is_kept_open_and_ends_with_the_store() {
        let (sender, news) = broadcast::channel(1);
        let places = Arc::new(Semaphore::new(1));
        let mut follower = Follower {
            news,
            wanted: Wanted {
                outcomes: Vec::new(),
                query: LiveQuery::default(),
            },
            opened: true,
            ping_every: Duration::from_millis(1),
            _permit: places.acquire_owned().await.unwrap(),
        };
        assert_eq!(follower.next().await.unwrap(), ": ping\n\n");
        drop(sender);
        assert_eq!(follower.next().await, None);
    }
}
