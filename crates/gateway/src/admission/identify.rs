//! Finds the caller's key wherever clients put it, and takes it out of the request: a caller's key never goes upstream.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use config::Access;
use config::keys::{self, KeyHash};
use diagnosis::Code;
use http1::Headers;
use types::KeyId;

use crate::intake::{Head, HeadLane};
use crate::journal::{Event, Journal};
use crate::keyring::{Caller, HeaderRights, Keyring};
use crate::refusal::Refusal;

/// Headers that hold a key behind a scheme, and how they are told.
const SCHEMED: [(&str, &str); 2] = [
    ("authorization", "Authorization"),
    ("proxy-authorization", "Proxy-Authorization"),
];

/// Headers that hold a bare key.
const BARE: [&str; 3] = ["x-api-key", "api-key", "x-goog-api-key"];

/// A key as a client sent it.
struct Presented {
    secret: String,
    place: &'static str,
}

/// Says who calls.
///
/// # Errors
/// No key, a key that is not known, a browser's request from another site.
pub fn identify(
    keyring: &Keyring,
    head: &mut Head,
    journal: &mut Journal,
) -> Result<Arc<Caller>, Refusal> {
    let presented = present(head);
    let caller = match presented {
        Some(presented) => known(keyring, &presented)?,
        None => without_key(head)?,
    };
    journal.add(Event::Identified(caller.key.clone(), caller.priority));
    Ok(caller)
}

fn known(keyring: &Keyring, presented: &Presented) -> Result<Arc<Caller>, Refusal> {
    keyring
        .find(&KeyHash::of(&presented.secret))
        .ok_or_else(|| {
            let place = presented.place;
            let message = if keys::is_well_formed(&presented.secret) {
                format!(
                    "The key {} in {place} is not known here.",
                    keys::display(&presented.secret)
                )
            } else if presented.secret.starts_with(keys::PREFIX) {
                format!("The key in {place} is mistyped or cut: its checksum is wrong.")
            } else {
                format!(
                    "The key in {place} is not one of this gateway's: those begin with {}.",
                    keys::PREFIX
                )
            };
            Refusal::new(Code::Unauthenticated, message)
        })
}

/// A call without a key: an open route, or a refusal that names every place where a key is looked for.
fn without_key(head: &Head) -> Result<Arc<Caller>, Refusal> {
    let HeadLane::Http(route) = &head.lane else {
        return Err(no_key());
    };
    let Access::Open { addresses } = &route.access else {
        return Err(no_key());
    };
    if !addresses
        .iter()
        .any(|network| network.contains(head.peer.ip()))
    {
        let message = format!(
            "The route '{}' is open to other addresses only; from here it takes a key.",
            route.name
        );
        return Err(Refusal::new(Code::Unauthenticated, message));
    }
    same_site(&head.headers)?;
    let name = format!("open:{}", route.name);
    Ok(Arc::new(Caller::unlimited(
        KeyId::new(&name),
        HeaderRights::Ordinary,
    )))
}

/// An open route is reachable from every page in the user's browser, so a page of another site is refused.
fn same_site(headers: &Headers) -> Result<(), Refusal> {
    let site = headers.text("sec-fetch-site");
    let foreign = site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let host = headers.text("host").unwrap_or_default();
    let other_origin = headers.text("origin").is_some_and(|origin| {
        origin.split_once("://").map(|(_, authority)| authority) != Some(host)
    });
    // DNS rebinding: a page of the attacker's name that now resolves to this machine.
    let rebound = site.is_some() && !is_local_name(host);
    if foreign || other_origin || rebound {
        let message = "A browser sent this from another site; an open route takes no such calls.";
        return Err(Refusal::new(Code::Unauthenticated, message).with_fix("Send a key."));
    }
    Ok(())
}

/// Whether a Host header names this machine or is an address.
fn is_local_name(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost"
        || name
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok()
}

fn no_key() -> Refusal {
    Refusal::new(
        Code::Unauthenticated,
        "No key: send one as 'Authorization: Bearer sk-gg-…', x-api-key, api-key or x-goog-api-key, or as the user of the URL (http://KEY:@host).",
    )
}

/// Takes the key out of the head. On an open route only a key of ours counts: other credentials are the upstream's.
fn present(head: &mut Head) -> Option<Presented> {
    let only_ours =
        matches!(&head.lane, HeadLane::Http(route) if matches!(route.access, Access::Open { .. }));
    let counts =
        |secret: &str| !secret.is_empty() && (!only_ours || secret.starts_with(keys::PREFIX));
    for (name, place) in SCHEMED {
        let secret = head.headers.text(name).and_then(authorization);
        if let Some(secret) = secret.filter(|secret| counts(secret)) {
            head.headers.remove(name);
            return Some(Presented { secret, place });
        }
    }
    for place in BARE {
        let secret = head.headers.text(place).map(str::to_owned);
        if let Some(secret) = secret.filter(|secret| counts(secret)) {
            head.headers.remove(place);
            return Some(Presented { secret, place });
        }
    }
    from_query(head)
}

/// `Bearer KEY`, or `Basic` with the key as user or password.
fn authorization(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(rest.trim()).ok()?;
    let pair = String::from_utf8(decoded).ok()?;
    let (user, password) = pair.split_once(':').unwrap_or((&pair, ""));
    let ours = [user, password]
        .into_iter()
        .find(|part| part.starts_with(keys::PREFIX));
    Some(ours.unwrap_or(user).to_owned())
}

/// `?key=sk-gg-…`, as Gemini's clients send it; the journal keeps no query, and no upstream gets it.
fn from_query(head: &Head) -> Option<Presented> {
    let mut pairs = head.uri.query()?.split('&');
    let secret = pairs.find_map(|pair| {
        pair.strip_prefix("key=")
            .filter(|key| key.starts_with(keys::PREFIX))
    })?;
    Some(Presented {
        secret: secret.to_owned(),
        place: "the query",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderName};

    #[test]
    fn a_key_is_found_as_bearer_and_as_either_half_of_basic() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for (text, secret) in [
            ("Bearer sk-gg-dev-x".to_owned(), Some("sk-gg-dev-x")),
            ("bearer  sk-gg-dev-x ".to_owned(), Some("sk-gg-dev-x")),
            (basic("sk-gg-dev-x:"), Some("sk-gg-dev-x")),
            (basic("user:sk-gg-dev-x"), Some("sk-gg-dev-x")),
            (basic("someone:else"), Some("someone")),
            ("Basic ???".to_owned(), None),
            ("Digest x".to_owned(), None),
            ("Bearer".to_owned(), None),
        ] {
            assert_eq!(authorization(&text).as_deref(), secret, "{text}");
        }
    }

    #[test]
    fn pages_of_other_sites_may_not_use_an_open_route() {
        let check = |pairs: &[(&'static str, &'static str)]| {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(n, v)| {
                    (
                        HeaderName::from_static(n),
                        http::HeaderValue::from_static(v),
                    )
                })
                .collect();
            same_site(&Headers::from(&headers)).is_ok()
        };
        assert!(check(&[("host", "127.0.0.1:4000")]));
        assert!(check(&[
            ("host", "127.0.0.1:4000"),
            ("sec-fetch-site", "none")
        ]));
        assert!(!check(&[
            ("host", "127.0.0.1:4000"),
            ("sec-fetch-site", "cross-site")
        ]));
        assert!(!check(&[
            ("host", "127.0.0.1:4000"),
            ("origin", "https://evil.example")
        ]));
        assert!(!check(&[
            ("host", "evil.example:4000"),
            ("sec-fetch-site", "same-origin")
        ]));
    }
}
