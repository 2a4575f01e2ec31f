//! Plain HTTP routes.

use http::Method;
use provider::request;

use super::{effort, providers};
use crate::file::{AccessFile, At, AuthFile, MatchFile, RouteFile, RouteRetryFile};
use crate::reader::Reader;
use crate::section::Section;
use crate::text;
use crate::yaml::{Node, Value};

pub(super) fn route(reader: &Reader<'_>, name: &str, node: &Node) -> RouteFile {
    let what = format!("route `{name}`");
    let mut section = Section::new(reader, node, what, "routes.<name>");
    let file = RouteFile {
        has_upstreams: section.is_written("upstreams"),
        matches: section
            .take("match")
            .map(|node| {
                let mut section = Section::new(reader, node, "`match`", "routes.<name>.match");
                let path = section.text("path");
                section.finish();
                MatchFile { path }
            })
            .unwrap_or_default(),
        upstreams: section.take("upstreams").and_then(|node| {
            reader.list(node, "a list of URLs: [https://api.example]", |node| {
                reader.value(node, |url| {
                    request::parse_url(url)
                        .map(|endpoint| (endpoint.url(), endpoint))
                        .map_err(|_| "write a URL: https://api.example, without ?query")
                })
            })
        }),
        keep_prefix: section.value("keep_prefix", text::boolean),
        access: section.take("access").and_then(|node| access(reader, node)),
        auth: section
            .take("auth")
            .map(|node| auth(reader, node))
            .unwrap_or_default(),
        retry: section
            .take("retry")
            .map(|node| route_retry(reader, node))
            .unwrap_or_default(),
        timeout: section
            .take("timeout")
            .map(|node| effort::timeout(reader, node, "routes.<name>.timeout"))
            .unwrap_or_default(),
    };
    section.finish();
    file
}

fn access(reader: &Reader<'_>, node: &Node) -> Option<At<AccessFile>> {
    let spot = node.spot.clone();
    if let Value::Map(_) = node.value {
        let mut section = Section::new(reader, node, "`access`", "routes.<name>.access");
        let networks = section
            .take("open")
            .and_then(|node| super::networks(reader, node));
        section.finish();
        let value = AccessFile::Open(Some(networks?));
        return Some(At { value, spot });
    }
    let word = reader.scalar(node, "key, open, or { open: [10.0.0.0/8] }")?;
    let value = match word.value.as_str() {
        "key" => AccessFile::Key,
        "open" => AccessFile::Open(None),
        other => {
            let message = format!("`{}` does not fit here", text::masked(other));
            reader
                .error("bad_access", &spot, message)
                .label("write key, open, or { open: [10.0.0.0/8] }");
            return None;
        }
    };
    Some(At { value, spot })
}

/// `header: "x-key: value"`.
fn auth(reader: &Reader<'_>, node: &Node) -> AuthFile {
    let mut section = Section::new(reader, node, "`auth`", "routes.<name>.auth");
    let header = section
        .take("header")
        .and_then(|node| reader.secret(node))
        .and_then(|line| {
            let Some((name, value)) = line.value.secret.reveal().split_once(':') else {
                reader
                    .error("bad_header", &line.spot, "this is no header")
                    .label("write  header: \"x-key: ${NAME}\"");
                return None;
            };
            let name = providers::header_name(reader, name.trim(), &line.spot)?;
            let value = providers::header_value(reader, value.trim(), &line.spot)?;
            Some(At {
                value: (name, value.value),
                spot: line.spot.clone(),
            })
        });
    section.finish();
    AuthFile { header }
}

fn route_retry(reader: &Reader<'_>, node: &Node) -> RouteRetryFile {
    let mut section = Section::new(reader, node, "`retry`", "routes.<name>.retry");
    let file = RouteRetryFile {
        methods: section.take("methods").and_then(|node| {
            reader.list(node, "a list of methods: [GET, HEAD]", |node| {
                reader.value(node, |text| {
                    let known = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH"];
                    if known.contains(&text) {
                        Method::from_bytes(text.as_bytes()).map_err(|_| "write a method")
                    } else {
                        Err("write GET, HEAD, OPTIONS, PUT, DELETE, POST or PATCH")
                    }
                })
            })
        }),
        retry: effort::retry(reader, &mut section),
    };
    section.finish();
    file
}
