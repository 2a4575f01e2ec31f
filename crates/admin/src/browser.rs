//! The browser is an attacker, too: any page a person visits may aim it at this port.
//!
//! A name that is not ours in `Host` is DNS rebinding; an `Origin` or `Sec-Fetch-Site` that is not ours is a foreign
//! page. Programs send neither.

use std::net::IpAddr;

use axum::body::Body;
use config::Server;
use http::{Method, Request, StatusCode, Uri, header};

use crate::app::Parts;
use crate::problem::Problem;

/// Lets through what comes from a page of ours, from a person's click, or from no page at all.
pub(crate) fn check(request: &Request<Body>, parts: &Parts) -> Result<(), Problem> {
    let Some(authority) = authority(request) else {
        return Err(Problem::bad_request(
            "host_missing",
            "The request names no host, or several.",
            "Send exactly one Host header.",
        ));
    };
    let host = host_of(authority);
    if !is_ours(&host, parts, &(parts.snapshot)().server) {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "host_not_allowed",
            "The web UI and the admin API are not served under this host name.",
            "Use the address that goodgate printed, or add the name to server.hosts in goodgate.yaml.",
        ));
    }
    let site = header_text(request, "sec-fetch-site");
    let foreign_site = !matches!(site, None | Some("same-origin" | "none"));
    let foreign_origin =
        header_text(request, "origin").is_some_and(|origin| !is_origin(origin, authority));
    if foreign_origin || (foreign_site && !is_navigation(request)) {
        return Err(Problem::forbidden(
            "foreign_origin",
            "A page of another origin sent this request.",
            "Open the web UI itself; programs send neither Origin nor Sec-Fetch-Site.",
        ));
    }
    Ok(())
}

/// What a cookie alone may not do: change something without a sign that the page is ours.
pub(crate) fn check_origin(request: &Request<Body>) -> Result<(), Problem> {
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let told = request.headers().contains_key("origin")
        || request.headers().contains_key("sec-fetch-site");
    if safe || told {
        return Ok(());
    }
    Err(Problem::forbidden(
        "origin_missing",
        "A change with a cookie needs an Origin or Sec-Fetch-Site header.",
        "Every browser sends one; programs use the admin token instead of a cookie.",
    ))
}

/// Somebody followed a link or typed the address: it may come from anywhere, but only to the web UI's pages.
fn is_navigation(request: &Request<Body>) -> bool {
    let path = request.uri().path();
    let page = path == "/" || path == "/ui" || path.starts_with("/ui/");
    page && request.method() == Method::GET
        && header_text(request, "sec-fetch-mode") == Some("navigate")
        && matches!(
            header_text(request, "sec-fetch-dest"),
            None | Some("document")
        )
}

/// The host and port that the request names; the URI's where it has one, else the only `Host` header's.
fn authority(request: &Request<Body>) -> Option<&str> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.as_str());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    (hosts.next().is_none() && !host.is_empty() && !host.contains('@')).then_some(host)
}

/// The host alone: lower case, without port, brackets and trailing dot.
fn host_of(authority: &str) -> String {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn is_ours(host: &str, parts: &Parts, server: &Server) -> bool {
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        // Rebinding needs a name; an address is only ever itself.
        let listen = parts.listen.ip();
        if address.is_loopback() || listen.is_unspecified() || address == listen {
            return true;
        }
    }
    let named = server.hosts.iter().map(|name| host_of(name));
    let linked = [
        server.public_url.as_deref(),
        Some(&*parts.ui_url),
        Some(&*parts.base_url),
    ]
    .into_iter()
    .flatten()
    .filter_map(|url| url.parse::<Uri>().ok())
    .filter_map(|uri| uri.authority().map(|authority| host_of(authority.as_str())));
    named.chain(linked).any(|name| name == host)
}

/// Whether an `Origin` is the authority that the request itself names. The scheme is left to the proxy in front.
fn is_origin(origin: &str, authority: &str) -> bool {
    let Some((scheme, own)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let bare = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.strip_suffix(default_port)
            .map(str::to_owned)
            .unwrap_or(text)
    };
    bare(own) == bare(authority)
}

fn header_text<'a>(request: &'a Request<Body>, name: &str) -> Option<&'a str> {
    // What cannot be read is foreign.
    request
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap_or("?"))
}
