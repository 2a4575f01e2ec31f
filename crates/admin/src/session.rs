//! Who may: a browser with the cookie of a link, or a program with the token of the state folder. No virtual key may.
//!
//! A cookie is signed with a key made from the token: it outlives a restart, and ends with the token's file.

use std::collections::HashMap;

use aws_lc_rs::{digest, hmac, rand};
use axum::body::Body;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use parking_lot::Mutex;
use store::{StateFolder, StoreError};
use subtle::ConstantTimeEq;
use types::Secret;

use crate::problem::Problem;

/// The file of the state folder that holds the token.
const TOKEN_FILE: &str = "admin-token";
/// What a token begins with, so that people and scanners know it.
const TOKEN_PREFIX: &str = "gga-";
/// What a virtual key begins with.
const KEY_PREFIX: &str = "sk-gg-";
/// The same as the beginning of Basic credentials, in Base64.
const KEY_PREFIX_BASE64: &str = "c2stZ2ct";
/// A link works for ten minutes, a cookie for a week.
const LINK_MS: u64 = 600_000;
const COOKIE_MS: u64 = 7 * 86_400_000;
/// Links that may wait to be used; the next one replaces the oldest.
const MOST_LINKS: usize = 32;
/// Sessions that were ended and remembered until their cookie's time is over; beyond that the oldest is forgotten.
const MOST_ENDED: usize = 1_024;

/// Reads the admin API's token from the state folder; makes it (mode 0600) where it is missing.
///
/// # Errors
/// [`StoreError::Io`].
pub fn load_token(folder: &StateFolder) -> Result<Secret, StoreError> {
    if let Some(text) = folder.read_private(TOKEN_FILE)? {
        let token = text.trim();
        if token.len() >= 32 {
            return Ok(Secret::new(token.to_owned()));
        }
    }
    let token = format!("{TOKEN_PREFIX}{}", hex(&random::<32>()));
    folder.write_private(TOKEN_FILE, &format!("{token}\n"))?;
    Ok(Secret::new(token))
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visitor {
    /// A browser that came by a link.
    Browser { id: u128, expires_ms: u64 },
    /// A program that shows the token.
    Token,
}

/// Links, cookies and the token.
#[derive(Debug)]
pub(crate) struct Sessions {
    token_hash: [u8; 32],
    key: hmac::Key,
    cookie: String,
    attributes: &'static str,
    /// Hashes of links' tokens and when they end. Bound: [`MOST_LINKS`].
    links: Mutex<HashMap<[u8; 32], u64>>,
    /// Sessions that were signed out and when their cookies end. Bound: [`MOST_ENDED`].
    ended: Mutex<HashMap<u128, u64>>,
}

impl Sessions {
    pub(crate) fn new(token: &Secret, port: u16, ui_url: &str) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, token.reveal().as_bytes());
        let derived = hmac::sign(&root, b"goodgate browser session 1");
        Self {
            token_hash: sha256(token.reveal()),
            key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
            // Cookies know no ports: two gateways on one machine must not sign each other's browsers out.
            cookie: format!("goodgate_{port}"),
            attributes: if ui_url.starts_with("https://") {
                "; Path=/; HttpOnly; SameSite=Strict; Secure"
            } else {
                "; Path=/; HttpOnly; SameSite=Strict"
            },
            links: Mutex::default(),
            ended: Mutex::default(),
        }
    }

    /// A token for a link, and until when it works.
    pub(crate) fn new_link(&self, now_ms: u64) -> (String, u64) {
        let token = hex(&random::<16>());
        let expires_ms = now_ms.saturating_add(LINK_MS);
        let mut links = self.links.lock();
        links.retain(|_, expires| *expires > now_ms);
        make_room(&mut links, MOST_LINKS);
        links.insert(sha256(&token), expires_ms);
        (token, expires_ms)
    }

    /// If the request is a link being followed: trades its token for a cookie and leads to the page itself.
    pub(crate) fn trade(&self, request: &Request<Body>, now_ms: u64) -> Option<Response> {
        let token = query_value(request.uri(), "t")?;
        // Whoever only looks (a preview, a prefetch) must not use the link up.
        let looks = request.method() == Method::HEAD
            || ["sec-purpose", "purpose"].iter().any(|name| {
                text(request.headers(), name).is_some_and(|purpose| purpose.contains("prefetch"))
            });
        if looks {
            return Some(StatusCode::NO_CONTENT.into_response());
        }
        let used = self.links.lock().remove(&sha256(token));
        let valid = used.is_some_and(|expires| expires > now_ms);
        let signed_in = self.by_cookie(request.headers(), now_ms).is_some();
        if !valid && !signed_in {
            return Some(stale_link());
        }
        let mut response = StatusCode::SEE_OTHER.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(page) = HeaderValue::from_str(request.uri().path()) {
            headers.insert(header::LOCATION, page);
        }
        if valid {
            headers.insert(header::SET_COOKIE, self.new_cookie(now_ms));
        }
        Some(response)
    }

    fn new_cookie(&self, now_ms: u64) -> HeaderValue {
        let id = u128::from_be_bytes(random::<16>());
        let expires_ms = now_ms.saturating_add(COOKIE_MS);
        let signed = format!("{expires_ms:x}.{id:032x}");
        let tag = hmac::sign(&self.key, signed.as_bytes());
        let age = COOKIE_MS / 1_000;
        self.set_cookie(&format!("{signed}.{}", hex(tag.as_ref())), age)
    }

    /// What a browser that signs out is to forget.
    pub(crate) fn cookie_that_clears(&self) -> HeaderValue {
        self.set_cookie("", 0)
    }

    fn set_cookie(&self, value: &str, age: u64) -> HeaderValue {
        let text = format!("{}={value}{}; Max-Age={age}", self.cookie, self.attributes);
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Ends a session before its cookie's time.
    pub(crate) fn end(&self, id: u128, expires_ms: u64) {
        let mut ended = self.ended.lock();
        make_room(&mut ended, MOST_ENDED);
        ended.insert(id, expires_ms);
    }

    /// Who asks.
    pub(crate) fn identify(
        &self,
        request: &Request<Body>,
        now_ms: u64,
    ) -> Result<Visitor, Problem> {
        let headers = request.headers();
        if shows_virtual_key(request) {
            return Err(Problem::forbidden(
                "key_opens_no_admin_api",
                "A virtual key opens the models, never the admin API.",
                "Send the token in the state folder's file admin-token as Authorization: Bearer, or open the link \
                 that goodgate printed at start.",
            ));
        }
        if let Some(token) = bearer(headers) {
            let shown = sha256(token);
            if bool::from(shown.ct_eq(&self.token_hash)) {
                return Ok(Visitor::Token);
            }
            return Err(unauthenticated("This is not the admin token."));
        }
        self.by_cookie(headers, now_ms)
            .ok_or_else(|| unauthenticated("You are not signed in."))
    }

    fn by_cookie(&self, headers: &HeaderMap, now_ms: u64) -> Option<Visitor> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.cookie)
            .find_map(|(_, value)| self.verify(value, now_ms))
    }

    fn verify(&self, value: &str, now_ms: u64) -> Option<Visitor> {
        let (signed, tag) = value.rsplit_once('.')?;
        hmac::verify(&self.key, signed.as_bytes(), &unhex(tag)?).ok()?;
        let (expires, id) = signed.split_once('.')?;
        let expires_ms = u64::from_str_radix(expires, 16).ok()?;
        let id = u128::from_str_radix(id, 16).ok()?;
        let ended = self.ended.lock().contains_key(&id);
        (expires_ms > now_ms && !ended).then_some(Visitor::Browser { id, expires_ms })
    }
}

fn unauthenticated(detail: &str) -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "not_signed_in",
        detail,
        "Open the link that goodgate printed at start (it works once, for ten minutes; a restart prints a new one), \
         or send the token in the state folder's file admin-token as Authorization: Bearer.",
    )
}

fn stale_link() -> Response {
    let page = Html(
        "<!doctype html><meta charset=utf-8><title>goodgate</title>\
         <body style=\"font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem\">\
         <h1>This sign-in link no longer works</h1>\
         <p>Each link works once, for ten minutes. If you are signed in already, \
         <a href=\"/ui\">go on to the web UI</a>.</p>\
         <p>Otherwise start <code>goodgate serve</code> again: it prints a new link.</p>",
    );
    let policy = HeaderValue::from_static(crate::assets::CONTENT_SECURITY_POLICY);
    (
        StatusCode::FORBIDDEN,
        [(header::CONTENT_SECURITY_POLICY, policy)],
        page,
    )
        .into_response()
}

/// Whether a virtual key is shown in any of the places where calls may carry one.
fn shows_virtual_key(request: &Request<Body>) -> bool {
    let headers = request.headers();
    [
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
    ]
    .iter()
    .filter_map(|name| text(headers, name))
    .any(|value| {
        let credentials = value.split_once(' ').map_or(value, |(_, rest)| rest).trim();
        credentials.starts_with(KEY_PREFIX) || credentials.starts_with(KEY_PREFIX_BASE64)
    }) || query_value(request.uri(), "key").is_some_and(|key| key.starts_with(KEY_PREFIX))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, "authorization")?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn query_value<'a>(uri: &'a Uri, wanted: &str) -> Option<&'a str> {
    uri.query()?
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(name, value)| (name == wanted).then_some(value))
}

/// Drops what ends first until one more fits.
fn make_room<K: Copy + Eq + std::hash::Hash>(entries: &mut HashMap<K, u64>, most: usize) {
    while entries.len() >= most {
        let Some(first) = entries
            .iter()
            .min_by_key(|(_, ends)| **ends)
            .map(|(key, _)| *key)
        else {
            return;
        };
        entries.remove(&first);
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    hash
}

#[expect(
    clippy::expect_used,
    reason = "without randomness nothing secret can be made; the system always has it"
)]
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
