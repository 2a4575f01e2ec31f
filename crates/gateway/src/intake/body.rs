//! The body: read whole, within the limits of size, time and memory, into a [`Call`].

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use config::Route;
use config::keys::PREFIX;
use diagnosis::Code;
use futures_util::FutureExt;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, PROXY_AUTHORIZATION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Uri, Version};
use http_body::Body;
use http_body_util::BodyExt;
use types::Deadline;

use super::upload::{KEPT, Upload};
use super::{Call, Head, HeadLane, HttpCall, ModelCall, Terms, Wishes};
use crate::boxed;
use crate::bytes::{ByteBudget, HeldBytes};
use crate::journal::{Event, Journal};
use crate::keyring::Caller;
use crate::lanes;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::serve::{BodyError, RequestBody};

/// The longest silence of a client in the middle of its body. Source: nginx's `client_body_timeout`, 60 s; halved,
/// since a body that is held takes from the byte budget.
const BODY_SILENCE: Duration = Duration::from_secs(30);

/// Reads the body of a call whose caller is known.
///
/// # Errors
/// Too large, too slow, no memory left, or not what the lane takes.
///
/// # Cancel safety
/// Dropping it gives back what was taken of the byte budget.
pub async fn body(
    budget: &Arc<ByteBudget>,
    policy: &Policy,
    caller: &Caller,
    head: Box<Head>,
    journal: &mut Journal,
) -> Result<Call, Refusal> {
    let Head {
        lane,
        method,
        uri,
        version,
        headers,
        body,
        peer: _,
        said,
    } = *head;
    let mut held = budget.open(&caller.bytes);
    let limit = match &lane {
        HeadLane::Http(route) => route.max_body,
        HeadLane::Chat(_) | HeadLane::Models(_) => policy.snapshot.server.max_body,
    };
    let (raw, upload) = match &lane {
        HeadLane::Http(_) if goes_on_as_it_comes(&body) => {
            let kept = budget.open(&caller.bytes);
            (Bytes::new(), Some(upload(body, limit, kept)?))
        }
        _ => (read(body, limit, &mut held).await?, None),
    };
    let terms = Terms {
        held,
        patience: said.patience,
        client_deadline: said
            .patience
            .whole
            .map(|whole| Deadline::after(journal.started(), whole)),
        client_retries: said.client_retries,
        wishes: wishes(caller, &said.wishes)?,
        idempotency_key: said.idempotency_key,
        trace: said.trace,
    };
    match lane {
        HeadLane::Http(route) => {
            let announced = upload.as_ref().map(|upload| upload.length().unwrap_or(0));
            journal.add(Event::Wanted {
                model: Arc::clone(&route.name),
                stream: false,
                dialect: None,
                bytes: announced.unwrap_or(raw.len() as u64),
            });
            let headers = headers.to_map();
            let upgrade = upgrade(version, &headers);
            let headers = forwarded(headers, &route);
            let path_and_query = without_key(&uri);
            let may_repeat = route.may_repeat(&method, terms.idempotency_key.is_some());
            Ok(Call::Http(Box::new(HttpCall {
                may_repeat,
                route,
                method,
                path_and_query,
                headers,
                raw,
                upload,
                upgrade,
                ticket: None,
                terms,
            })))
        }
        HeadLane::Chat(dialect) => {
            let call = model_call(dialect, raw, terms)?;
            journal.add(Event::Wanted {
                model: Arc::clone(&call.model),
                stream: call.stream,
                dialect: Some(dialect.as_str()),
                bytes: call.raw.len() as u64,
            });
            Ok(Call::Model(call))
        }
        HeadLane::Models(_) => Err(Refusal::new(
            Code::GatewayInternalError,
            "A listing has no body to read.",
        )),
    }
}

/// Whether a plain call's body is sent on while it comes: it is large, or nobody knows how large.
fn goes_on_as_it_comes(body: &RequestBody) -> bool {
    !body.is_end_stream() && body.size_hint().exact().is_none_or(|length| length > KEPT)
}

fn upload(body: RequestBody, limit: u64, kept: HeldBytes) -> Result<Upload, Refusal> {
    if body.size_hint().lower() > limit {
        return Err(too_large(limit));
    }
    Ok(Upload::new(body, limit, BODY_SILENCE, kept))
}

/// Path and query without a key of ours, which never goes upstream.
fn without_key(uri: &Uri) -> String {
    let path = uri.path();
    let ours = |pair: &&str| {
        !pair
            .strip_prefix("key=")
            .is_some_and(|key| key.starts_with(PREFIX))
    };
    let query: Vec<&str> = uri
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(ours)
        .collect();
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", query.join("&"))
    }
}

fn model_call(
    dialect: dialect::Dialect,
    raw: Bytes,
    terms: Terms,
) -> Result<Box<ModelCall>, Refusal> {
    let scan = dialect::splice::scan(&raw)
        .map_err(|error| Refusal::invalid(error.param(), error.to_string()))?;
    let model = match scan.model(&raw) {
        Some(model) if !model.is_empty() => Arc::from(&*model),
        Some(_) => {
            return Err(Refusal::invalid(
                Some("model"),
                "'model' is empty: name a model.",
            ));
        }
        None => {
            return Err(Refusal::invalid(
                Some("model"),
                "The request has no 'model': name a model.",
            ));
        }
    };
    let (stream, reasoning) = (scan.stream, scan.asks_reasoning);
    Ok(boxed::made(|| ModelCall {
        dialect,
        raw,
        scan,
        model,
        stream,
        reasoning,
        terms,
    }))
}

/// Reads a body whole.
async fn read(mut body: RequestBody, limit: u64, held: &mut HeldBytes) -> Result<Bytes, Refusal> {
    let declared = body.size_hint().exact();
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    take(held, declared.unwrap_or(0))?;
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    let mut length: u64 = 0;
    while let Some(chunk) = next_chunk(&mut body).await? {
        length = length.saturating_add(chunk.len() as u64);
        if length > limit {
            return Err(too_large(limit));
        }
        if length > held.amount() {
            take(held, length - held.amount())?;
        }
        match first.take() {
            // Most bodies arrive in one piece and are never copied.
            None if rest.is_empty() => first = Some(chunk),
            None => rest.extend_from_slice(&chunk),
            Some(before) => {
                rest.reserve(
                    usize::try_from(declared.unwrap_or(0))
                        .unwrap_or(0)
                        .min(1 << 20),
                );
                rest.extend_from_slice(&before);
                rest.extend_from_slice(&chunk);
            }
        }
    }
    Ok(first.unwrap_or_else(|| rest.freeze()))
}

async fn next_chunk(body: &mut RequestBody) -> Result<Option<Bytes>, Refusal> {
    loop {
        // Most bodies have come with their head: no timer is made for those.
        let there = body.frame().now_or_never();
        let frame = match there {
            Some(frame) => Ok(frame),
            None => tokio::time::timeout(BODY_SILENCE, body.frame()).await,
        };
        let frame = match frame {
            Err(_elapsed) => {
                let message = format!(
                    "The body stopped arriving for {} s.",
                    BODY_SILENCE.as_secs()
                );
                return Err(Refusal::new(Code::ClientTimeout, message));
            }
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => frame,
        };
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) if !data.is_empty() => return Ok(Some(data)),
            Ok(_) => {} // An empty chunk, or trailers, which nothing here reads.
            Err(error) => return Err(unread(&error)),
        }
    }
}

/// A body that did not come whole: broken by its client, who is wrong, or given up by it, who has left.
pub(super) fn unread(error: &BodyError) -> Refusal {
    if error.is_client_gone() {
        return Refusal::new(
            Code::ClientCancelled,
            "The client left in the middle of its request.",
        );
    }
    Refusal::invalid(None, format!("The body could not be read: {error}."))
}

fn take(held: &mut HeldBytes, more: u64) -> Result<(), Refusal> {
    if held.grow(more) {
        return Ok(());
    }
    let message = "The gateway has no memory left for this body at the moment.";
    Err(Refusal::new(Code::ResourceExhausted, message).after(Duration::from_secs(1)))
}

pub(super) fn too_large(limit: u64) -> Refusal {
    let message = format!("The body is larger than {limit} bytes, the most that max_body allows.");
    Refusal::new(Code::RequestTooLarge, message)
}

/// The `x-goodgate-*` wishes; one that the key may not use is refused by name, never ignored.
fn wishes(caller: &Caller, said: &[(HeaderName, HeaderValue)]) -> Result<Wishes, Refusal> {
    let mut wishes = Wishes::default();
    for (name, value) in said {
        let name = name.as_str();
        if !caller.headers.allow(name) {
            let message = format!("The key '{}' may not use the header {name}.", caller.key);
            return Err(
                Refusal::new(Code::ModelNotAllowed, message).with_fix(format!(
                    "Drop the header, or list it in keys.{}.allow_headers.",
                    caller.key
                )),
            );
        }
        let text = value.to_str().unwrap_or_default().trim();
        match name {
            "x-goodgate-max-attempts" => match text.parse() {
                Ok(count @ 1..=10) => wishes.max_attempts = Some(count),
                _ => return Err(bad_wish(name, "a whole number from 1 to 10")),
            },
            "x-goodgate-hold" => match text {
                "whole" => wishes.hold_whole = true,
                "first_content" => {}
                _ => return Err(bad_wish(name, "whole or first_content")),
            },
            "x-goodgate-include" => match text {
                "trail" => wishes.trail = true,
                _ => return Err(bad_wish(name, "trail")),
            },
            "x-goodgate-tags" => {}
            _ => {
                return Err(Refusal::invalid(
                    Some(name),
                    format!("There is no header {name} here."),
                ));
            }
        }
    }
    Ok(wishes)
}

fn bad_wish(name: &str, wanted: &str) -> Refusal {
    Refusal::invalid(Some(name), format!("The header {name} takes {wanted}."))
}

/// The protocol that a client asks for by `Upgrade`, which must be among what its `Connection` names.
/// Source: RFC 9110, section 7.8.
fn upgrade(version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    let named = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim().eq_ignore_ascii_case("upgrade"));
    let wanted = headers.get(UPGRADE)?;
    // HTTP/2 without TLS is begun in another way nowadays; an upstream that took this one would speak it to the client.
    let is_http2 = wanted
        .to_str()
        .is_ok_and(|wanted| wanted.split(',').any(|one| one.trim().starts_with("h2")));
    (version == Version::HTTP_11 && named && !is_http2).then(|| wanted.clone())
}

/// The headers of a plain call that go on: not those of this hop; the key was taken out when it was read.
fn forwarded(headers: HeaderMap, route: &Route) -> HeaderMap {
    let mut headers = lanes::without_hop(headers);
    for name in [CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHORIZATION] {
        headers.remove(name);
    }
    headers.remove("x-request-id");
    let edits = &route.request_headers;
    let replaced = edits.set.iter().chain(&route.auth_header);
    for name in replaced.map(|(name, _)| name).chain(&edits.remove) {
        headers.remove(name);
    }
    headers
}
