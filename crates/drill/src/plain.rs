//! Plain HTTP resources, for routes that are no model's: `/json/...`, `/flaky/N/...`, `/health`, `/ws/...`.

use crate::answer::Answer;
use crate::faults::Fault;
use crate::http::Head;
use crate::json::{Json, object};

/// Takes `/fault/NAME` off a path: the name and the rest.
pub(crate) fn forced_fault(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/fault/")?;
    let at = rest.find('/').unwrap_or(rest.len());
    let (name, below) = rest.split_at_checked(at)?;
    Some((name, if below.is_empty() { "/" } else { below }))
}

/// The fault of `/flaky/N/...`: an HTML 502 to the first N attempts. No count is kept: the attempt says its number.
pub(crate) fn flaky(path: &str, attempt: u32) -> Option<Vec<Fault>> {
    let rest = path.strip_prefix("/flaky/")?;
    let count: u32 = rest.split('/').next()?.parse().ok()?;
    if attempt > count {
        return Some(Vec::new());
    }
    let page = crate::faults::catalogue::find("html-502")?;
    Some(vec![page.fault.clone()])
}

/// A JSON resource: any path but those of models.
pub(crate) fn resource(path: &str, head: &Head, body_length: usize) -> Option<Answer> {
    if let Some(refusal) = crate::websocket::refusal(path) {
        return Some(refusal);
    }
    if path == "/health" {
        return Some(Answer::json(200, &object! { "status" => "ok" }));
    }
    let known = ["/json", "/flaky"].iter().any(|known| {
        path.strip_prefix(known)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if !known && path != "/" {
        return None;
    }
    let body = object! {
        "ok" => true,
        "method" => &head.method,
        "path" => path,
        "query" => Json::or_null(head.target.split_once('?').map(|(_, query)| query)),
        "attempt" => Json::or_null(head.attempt().map(u64::from)),
        "body_length" => body_length,
        "items" => Json::Array((1..4).map(|id| {
            object! { "id" => id, "name" => format!("item {id}") }
        }).collect()),
    };
    Some(Answer::json(200, &body))
}

/// The answer where nothing is.
pub(crate) fn not_found(method: &str, path: &str) -> Answer {
    let message = format!("Invalid URL ({method} {path})");
    let error = object! {
        "message" => message, "type" => "invalid_request_error", "param" => Json::null(),
        "code" => Json::null(),
    };
    Answer::json(404, &object! { "error" => error })
}
