//! The web UI's files, embedded; a page that says how to get them when they were not built.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{Html, IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

/// What a page of ours may load: its own files, nothing from elsewhere. Styles may stand in the page, since the UI's
/// components set them there; scripts may not.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";

#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
#[allow_missing = true]
struct Files;

/// Answers a GET or HEAD of `/`, `/ui` or below.
pub(crate) fn serve(request: &Request<Body>) -> Response {
    serve_from::<Files>(request)
}

fn serve_from<F: RustEmbed>(request: &Request<Body>) -> Response {
    let path = request.uri().path();
    let Some(name) = path.strip_prefix("/ui") else {
        return Redirect::to("/ui").into_response();
    };
    let name = name.trim_start_matches('/');
    let hashed = name.starts_with("assets/");
    if !name.is_empty() && !name.split('/').any(|part| part == "..") {
        if let Some(response) = file::<F>(name, request.headers(), hashed) {
            return response;
        }
        if hashed {
            return (StatusCode::NOT_FOUND, "There is no such file.\n").into_response();
        }
    }
    // Any other path is a page of the app, which reads it itself.
    file::<F>("index.html", request.headers(), false).unwrap_or_else(placeholder)
}

fn file<F: RustEmbed>(name: &str, asked: &HeaderMap, hashed: bool) -> Option<Response> {
    let (file, encoding) = find::<F>(name, asked)?;
    let tag = HeaderValue::from_str(&tag(&file)).ok()?;
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(content_type(name)),
    );
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static(if hashed {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        }),
    );
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    if name.ends_with(".html") {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(CONTENT_SECURITY_POLICY),
        );
    }
    let known = asked.get(header::IF_NONE_MATCH) == Some(&tag);
    headers.insert(header::ETAG, tag);
    if known {
        return Some((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let bytes = match file.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    Some((headers, bytes).into_response())
}

/// The file, compressed where there is such a copy and the client takes it.
fn find<F: RustEmbed>(
    name: &str,
    asked: &HeaderMap,
) -> Option<(EmbeddedFile, Option<&'static str>)> {
    for (encoding, suffix) in [("br", ".br"), ("gzip", ".gz")] {
        if accepts(asked, encoding)
            && let Some(file) = F::get(&format!("{name}{suffix}"))
        {
            return Some((file, Some(encoding)));
        }
    }
    F::get(name).map(|file| (file, None))
}

fn accepts(asked: &HeaderMap, encoding: &str) -> bool {
    asked
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|offer| {
            let mut parts = offer.split(';').map(str::trim);
            let named = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case(encoding));
            let refused = parts.any(|part| {
                part.strip_prefix("q=")
                    .and_then(|weight| weight.parse::<f32>().ok())
                    .is_some_and(|weight| weight <= 0.0)
            });
            named && !refused
        })
}

fn tag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let half = hash.iter().take(16).map(|byte| format!("{byte:02x}"));
    format!("\"{}\"", half.collect::<String>())
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn placeholder() -> Response {
    let page = Html(
        "<!doctype html><html lang=en><meta charset=utf-8><title>goodgate</title>\
         <body style=\"font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem\">\
         <h1>goodgate runs, but without its web UI</h1>\
         <p>This binary was built without Node, so the pages are missing. Everything else works: calls, \
         <code>goodgate explain</code>, and the admin API (<a href=\"/api/openapi.json\">its description</a>).</p>\
         <p>To get the web UI, install Node 20 or newer and build again in the source folder:</p>\
         <pre>make ui\nmake build</pre>",
    );
    let headers = [
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(CONTENT_SECURITY_POLICY),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, page).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(RustEmbed)]
    #[folder = "tests/fixtures/ui"]
    struct Built;

    #[derive(RustEmbed)]
    #[folder = "tests/fixtures/no-such-folder"]
    #[allow_missing = true]
    struct NotBuilt;

    fn get<F: RustEmbed>(path: &str, headers: &[(&'static str, &str)]) -> Response {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        serve_from::<F>(&request.body(Body::empty()).unwrap())
    }

    fn header<'a>(response: &'a Response, name: &str) -> &'a str {
        response
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn every_path_that_is_no_file_is_the_app() {
        for path in [
            "/ui",
            "/ui/",
            "/ui/requests/req_1",
            "/ui/models/gpt-4.1",
            "/ui/../secret",
        ] {
            let response = get::<Built>(path, &[]);
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(
                header(&response, "content-type"),
                "text/html; charset=utf-8"
            );
            assert_eq!(header(&response, "cache-control"), "no-cache");
            let policy = header(&response, "content-security-policy");
            assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
        }
    }

    #[test]
    fn the_root_leads_to_the_app() {
        let response = get::<Built>("/", &[]);
        assert_eq!(
            (response.status().as_u16(), header(&response, "location")),
            (303, "/ui")
        );
    }

    #[test]
    fn hashed_files_are_kept_for_good_and_missing_ones_are_missing() {
        let response = get::<Built>("/ui/assets/app-1234.js", &[]);
        assert_eq!(
            header(&response, "content-type"),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(
            header(&response, "cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(get::<Built>("/ui/assets/app-9.js", &[]).status(), 404);
        let icon = get::<Built>("/ui/favicon.svg", &[]);
        assert_eq!(header(&icon, "content-type"), "image/svg+xml");
        assert_eq!(header(&icon, "cache-control"), "no-cache");
    }

    #[test]
    fn the_smallest_copy_that_the_client_takes_is_sent() {
        for (accepts, expected) in [
            ("gzip, deflate, br", "br"),
            ("gzip", "gzip"),
            ("br;q=0, gzip;q=0.5", "gzip"),
            ("identity", ""),
            ("BR", "br"),
        ] {
            let response = get::<Built>("/ui/assets/app-1234.js", &[("accept-encoding", accepts)]);
            assert_eq!(header(&response, "content-encoding"), expected, "{accepts}");
            assert_eq!(header(&response, "vary"), "accept-encoding");
        }
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let first = get::<Built>("/ui", &[]);
        let tag = header(&first, "etag");
        assert_eq!(get::<Built>("/ui", &[("if-none-match", tag)]).status(), 304);
        assert_eq!(
            get::<Built>("/ui", &[("if-none-match", "\"other\"")]).status(),
            200
        );
    }

    #[test]
    fn without_the_build_a_page_says_how_to_get_it() {
        let response = get::<NotBuilt>("/ui/requests", &[]);
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "cache-control"), "no-store");
    }
}
