//! Plain HTTP routes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::Method;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use provider::request;

use super::{effort, guards, providers};
use crate::file::At;
use crate::reader::Reader;
use crate::route_file::{
    AccessFile, AuthFile, HeaderEditsFile, HealthFile, IdempotencyFile, MatchFile, RouteFile,
    RouteRetryFile, UpstreamFile,
};
use crate::section::Section;
use crate::snapshot::{HostPattern, RouteStrategy};
use crate::text;
use crate::yaml::{Node, Value};

pub(super) fn route(reader: &Reader<'_>, name: &str, node: &Node) -> RouteFile {
    let what = format!("route `{name}`");
    let mut section = Section::new(reader, node, what, "routes.<name>");
    let file = RouteFile {
        has_upstreams: section.is_written("upstreams"),
        matches: section
            .take("match")
            .map(|node| matches(reader, node))
            .unwrap_or_default(),
        upstreams: section.take("upstreams").and_then(|node| {
            reader.list(node, "a list of URLs: [https://api.example]", |node| {
                upstream(reader, node)
            })
        }),
        strategy: section.value("strategy", |text| match text {
            "ordered" => Ok(RouteStrategy::Ordered),
            "weighted" => Ok(RouteStrategy::Weighted),
            _ => Err("write ordered or weighted"),
        }),
        keep_prefix: section.value("keep_prefix", text::boolean),
        replace_prefix: section.text("replace_prefix"),
        request_headers: section
            .take("request_headers")
            .map(|node| edits(reader, node, Direction::Request))
            .unwrap_or_default(),
        response_headers: section
            .take("response_headers")
            .map(|node| edits(reader, node, Direction::Response))
            .unwrap_or_default(),
        access: section.take("access").and_then(|node| access(reader, node)),
        auth: section
            .take("auth")
            .map(|node| auth(reader, node))
            .unwrap_or_default(),
        retry: section
            .take("retry")
            .map(|node| route_retry(reader, node))
            .unwrap_or_default(),
        idempotency: section
            .take("idempotency")
            .map(|node| {
                let path = "routes.<name>.idempotency";
                let mut section = Section::new(reader, node, "`idempotency`", path);
                let replay = section.value("replay", text::duration);
                section.finish();
                IdempotencyFile { replay }
            })
            .unwrap_or_default(),
        timeout: section
            .take("timeout")
            .map(|node| effort::timeout(reader, node, "routes.<name>.timeout"))
            .unwrap_or_default(),
        guards: guards::guards(reader, &mut section),
        max_body: section.value("max_body", text::size),
    };
    section.finish();
    file
}

fn matches(reader: &Reader<'_>, node: &Node) -> MatchFile {
    let mut section = Section::new(reader, node, "`match`", "routes.<name>.match");
    let file = MatchFile {
        path: section.text("path"),
        host: section.take("host").and_then(|node| {
            one_or_more(
                reader,
                node,
                "a host or a list of them: [api.example]",
                |node| {
                    reader.value(node, |text| {
                        HostPattern::parse(text).ok_or(
                            "write a host without a port, or *.example for every name below it",
                        )
                    })
                },
            )
        }),
        method: section.take("method").and_then(|node| {
            one_or_more(
                reader,
                node,
                "a method or a list of them: [GET, POST]",
                |node| reader.value(node, method),
            )
        }),
    };
    section.finish();
    file
}

/// A single value, or a list.
fn one_or_more<T>(
    reader: &Reader<'_>,
    node: &Node,
    wanted: &str,
    mut read: impl FnMut(&Node) -> Option<T>,
) -> Option<Vec<T>> {
    match node.value {
        Value::Scalar(..) if node.spot.origin.is_none() => Some(vec![read(node)?]),
        _ => reader.list(node, wanted, read),
    }
}

fn method(text: &str) -> Result<Method, text::Reason> {
    let known = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH"];
    if known.contains(&text) {
        Method::from_bytes(text.as_bytes()).map_err(|_| "write a method")
    } else {
        Err("write GET, HEAD, OPTIONS, PUT, DELETE, POST or PATCH")
    }
}

/// A URL alone, or a mapping with one.
fn upstream(reader: &Reader<'_>, node: &Node) -> Option<UpstreamFile> {
    let url = |node: &Node| {
        reader.value(node, |url| {
            request::parse_url(url)
                .map(|endpoint| (endpoint.url(), endpoint))
                .map_err(|_| "write a URL: https://api.example, without ?query")
        })
    };
    let Value::Map(_) = node.value else {
        return Some(UpstreamFile {
            url: url(node)?,
            weight: None,
            health: None,
            tls: None,
            http_version: None,
        });
    };
    let mut section = Section::new(reader, node, "an upstream", "routes.<name>.upstreams[]");
    let is_written = section.is_written("url");
    let place = section.take("url").map(url);
    let (weight, health, tls, http_version) = (
        section.number("weight", 0, 1_000_000),
        section.take("health").map(|node| health(reader, node)),
        section
            .take("tls")
            .map(|node| providers::tls(reader, node, "routes.<name>.upstreams[].tls")),
        section.value("http_version", providers::http_version),
    );
    section.finish();
    if !is_written {
        reader
            .error("missing_key", &node.spot, "this upstream is nowhere")
            .label("write  url: https://api.example");
    }
    Some(UpstreamFile {
        url: place.flatten()?,
        weight,
        health,
        tls,
        http_version,
    })
}

fn health(reader: &Reader<'_>, node: &Node) -> HealthFile {
    let mut section = Section::new(reader, node, "`health`", "routes.<name>.upstreams[].health");
    let file = HealthFile {
        spot: node.spot.clone(),
        path: section.value("path", |text| {
            let is_path = text.starts_with('/') && text.chars().all(|one| one.is_ascii_graphic());
            if is_path && !text.contains('#') {
                Ok(text.to_owned())
            } else {
                Err("write a path: /healthz")
            }
        }),
        interval: section.value("interval", text::duration),
        timeout: section.value("timeout", text::duration),
        unhealthy_after: section.number("unhealthy_after", 1, 100),
        healthy_after: section.number("healthy_after", 1, 100),
    };
    section.finish();
    file
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Response,
}

/// Headers that belong to one connection or frame the message: only who speaks on it may write them.
const OF_THE_CONNECTION: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers by which the gateway tells and recognises its own calls.
const OF_THE_GATEWAY: &[&str] = &["via", "x-request-id", "request-id"];

fn edits(reader: &Reader<'_>, node: &Node, direction: Direction) -> HeaderEditsFile {
    let (what, path) = match direction {
        Direction::Request => ("`request_headers`", "routes.<name>.request_headers"),
        Direction::Response => ("`response_headers`", "routes.<name>.response_headers"),
    };
    let mut section = Section::new(reader, node, what, path);
    let file = HeaderEditsFile {
        set: section
            .take("set")
            .and_then(|node| pairs(reader, node, direction == Direction::Request)),
        add: section
            .take("add")
            .and_then(|node| pairs(reader, node, false)),
        remove: section.take("remove").and_then(|node| {
            reader.list(node, "a list of headers: [cookie]", |node| {
                let text = reader.scalar(node, "a header's name")?;
                let value = name(reader, &text.value, &text.spot, false)?;
                Some(At {
                    value,
                    spot: text.spot,
                })
            })
        }),
    };
    section.finish();
    file
}

fn pairs(
    reader: &Reader<'_>,
    node: &Node,
    may_be_host: bool,
) -> Option<Vec<(At<HeaderName>, At<HeaderValue>)>> {
    let entries = reader.entries(node, "a mapping of headers: { x-team: search }")?;
    let read = entries.iter().filter_map(|entry| {
        // The value first: also beside a wrong name it is no one's to see.
        let value = reader.secret(&entry.node)?;
        let spot = entry.key_spot.clone();
        let name = name(reader, &entry.key, &spot, may_be_host)?;
        let value = providers::header_value(reader, value.value.secret.reveal(), &value.spot)?;
        Some((At { value: name, spot }, value))
    });
    Some(read.collect())
}

fn name(
    reader: &Reader<'_>,
    written: &str,
    spot: &crate::yaml::Spot,
    may_be_host: bool,
) -> Option<HeaderName> {
    let Ok(name) = HeaderName::try_from(written.to_ascii_lowercase()) else {
        reader
            .error("bad_header", spot, "this is no header's name")
            .label("letters, digits and dashes");
        return None;
    };
    let text = name.as_str();
    let why = if OF_THE_CONNECTION.contains(&text) {
        "it belongs to one connection"
    } else if OF_THE_GATEWAY.contains(&text) || text.starts_with("x-goodgate-") {
        "the gateway sets this one itself"
    } else if text == "host" && !may_be_host {
        "only request_headers.set may name a host"
    } else {
        return Some(name);
    };
    reader
        .error("bad_header", spot, format!("`{name}` cannot be changed"))
        .label(why);
    None
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

/// One of `header: "x-key: value"`, `bearer: token` and `basic: "user:password"`.
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
            credential(reader, name, value.trim(), &line.spot)
        });
    let bearer = section
        .take("bearer")
        .and_then(|node| reader.secret(node))
        .and_then(|token| {
            let value = format!("Bearer {}", token.value.secret.reveal());
            credential(reader, AUTHORIZATION, &value, &token.spot)
        });
    let basic = section
        .take("basic")
        .and_then(|node| reader.secret(node))
        .and_then(|pair| {
            let pair_text = pair.value.secret.reveal();
            if !pair_text.contains(':') {
                reader
                    .error("bad_header", &pair.spot, "this is no user with a password")
                    .label("write  basic: \"user:${PASSWORD}\"");
                return None;
            }
            let value = format!("Basic {}", BASE64.encode(pair_text));
            credential(reader, AUTHORIZATION, &value, &pair.spot)
        });
    section.finish();
    if [&header, &bearer, &basic].into_iter().flatten().count() > 1 {
        reader
            .error("credentials_twice", &node.spot, "more than one credential")
            .label("write one of header, bearer and basic");
    }
    AuthFile {
        header,
        bearer,
        basic,
    }
}

fn credential(
    reader: &Reader<'_>,
    name: HeaderName,
    value: &str,
    spot: &crate::yaml::Spot,
) -> Option<At<(HeaderName, HeaderValue)>> {
    let value = providers::header_value(reader, value, spot)?;
    Some(At {
        value: (name, value.value),
        spot: spot.clone(),
    })
}

fn route_retry(reader: &Reader<'_>, node: &Node) -> RouteRetryFile {
    let mut section = Section::new(reader, node, "`retry`", "routes.<name>.retry");
    let file = RouteRetryFile {
        methods: section.take("methods").and_then(|node| {
            reader.list(node, "a list of methods: [GET, HEAD]", |node| {
                reader.value(node, method)
            })
        }),
        unsafe_with_idempotency_key: section.value("unsafe_with_idempotency_key", text::boolean),
        retry: effort::retry(reader, &mut section),
    };
    section.finish();
    file
}
