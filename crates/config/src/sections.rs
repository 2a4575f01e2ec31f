//! Which setting is read from where: one function per section of the file, each key named once.

use http::Method;
use http::header::{HeaderName, HeaderValue};
use provider::catalog::Rate;
use provider::{Code, Group, request};

use crate::file::{
    AccessFile, AdminFile, At, AuthFile, BackoffFile, CredentialFile, Effort, ErrorsFile, File,
    KeyFile, ListedDetails, ListedFile, LogFile, MatchFile, ModelFile, Named, PriceFile,
    ProviderFile, RetainFile, RetryFile, RouteFile, RouteRetryFile, ServerFile, StorageFile,
    TelemetryFile, TimeoutFile, TlsFile,
};
use crate::keys::KeyHash;
use crate::reader::{Reader, Section};
use crate::snapshot::{ErrorDetail, Exception, Hold, LogFormat, Network, TlsVersion};
use crate::text;
use crate::yaml::{Node, Value};

const EMPTY: &str = "";

/// Reads the whole file.
pub(crate) fn file(reader: &Reader<'_>, root: &Node) -> File {
    let mut top = Section::new(reader, root, "the configuration", EMPTY);
    let file = File {
        version: top.number("version", 1, 1),
        server: top
            .take("server")
            .map(|n| server(reader, n))
            .unwrap_or_default(),
        admin: top
            .take("admin")
            .map(|n| admin(reader, n))
            .unwrap_or_default(),
        providers: named(reader, top.take("providers"), "providers", provider),
        models: named(reader, top.take("models"), "models", model),
        routes: named(reader, top.take("routes"), "routes", route),
        resilience: top
            .take("resilience")
            .map(|node| {
                let mut section = Section::new(reader, node, "`resilience`", "resilience");
                let effort = effort(reader, &mut section);
                section.finish();
                effort
            })
            .unwrap_or_default(),
        keys: named(reader, top.take("keys"), "keys", key),
        errors: top
            .take("errors")
            .map(|n| errors(reader, n))
            .unwrap_or_default(),
        storage: top
            .take("storage")
            .map(|n| storage(reader, n))
            .unwrap_or_default(),
        demo: top.value("demo", text::boolean),
        telemetry: top
            .take("telemetry")
            .map(|node| telemetry(reader, node))
            .unwrap_or_default(),
    };
    top.finish();
    file
}

/// Entries under names of the writer's choice.
fn named<T>(
    reader: &Reader<'_>,
    node: Option<&Node>,
    section: &'static str,
    read: impl Fn(&Reader<'_>, &str, &Node) -> T,
) -> Named<T> {
    let Some(node) = node else {
        return Named::default();
    };
    let wanted = format!("{section} is a mapping: name: {{ ... }}");
    let entries = reader.entries(node, &wanted).unwrap_or_default();
    let mut read_entries = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        // A repeated name is reported with the text; only its first entry is read.
        let is_repeated = entries.iter().take(at).any(|one| one.key == entry.key);
        if is_repeated {
            continue;
        }
        let name = At {
            value: entry.key.clone(),
            spot: entry.key_spot.clone(),
        };
        read_entries.push((name, read(reader, &entry.key, &entry.node)));
    }
    Named(read_entries)
}

fn server(reader: &Reader<'_>, node: &Node) -> ServerFile {
    let mut section = Section::new(reader, node, "`server`", "server");
    let file = ServerFile {
        listen: section.value("listen", text::listen),
        workers: section.number("workers", 1, 512),
        max_body: section.value("max_body", text::size),
        drain: section.value("drain", text::duration),
        drain_streams: section.value("drain_streams", text::duration),
        hosts: section
            .take("hosts")
            .and_then(|node| texts(reader, node, "a list of host names")),
        trusted_proxies: section
            .take("trusted_proxies")
            .and_then(|node| networks(reader, node)),
        public_url: section.value("public_url", |url| {
            request::parse_url(url)
                .map(|_| url.trim_end_matches('/').to_owned())
                .map_err(|_| "write a URL: https://gate.example")
        }),
    };
    section.finish();
    file
}

fn admin(reader: &Reader<'_>, node: &Node) -> AdminFile {
    let mut section = Section::new(reader, node, "`admin`", "admin");
    let file = AdminFile {
        listen: section.value("listen", text::listen),
    };
    section.finish();
    file
}

fn provider(reader: &Reader<'_>, name: &str, node: &Node) -> ProviderFile {
    let what = format!("provider `{name}`");
    let mut section = Section::new(reader, node, what, "providers.<name>");
    let file = ProviderFile {
        has_keys: section.is_written("api_key") || section.is_written("credentials"),
        has_base_url: section.is_written("base_url"),
        kind: section.text("type"),
        base_url: section.text("base_url"),
        api_key: section.take("api_key").and_then(|node| reader.secret(node)),
        credentials: section.take("credentials").and_then(|node| {
            reader.list(node, "a list: - { name: main, api_key: ... }", |node| {
                Some(credential(reader, node))
            })
        }),
        headers: section
            .take("headers")
            .and_then(|node| headers(reader, node)),
        tls: section.take("tls").map(|node| tls(reader, node)),
        timeout: section
            .take("timeout")
            .map(|node| timeout(reader, node, "providers.<name>.timeout"))
            .unwrap_or_default(),
        models: section.take("models").and_then(|node| listed(reader, node)),
    };
    section.finish();
    file
}

fn credential(reader: &Reader<'_>, node: &Node) -> CredentialFile {
    let mut section = Section::new(
        reader,
        node,
        "a credential",
        "providers.<name>.credentials[]",
    );
    let file = CredentialFile {
        spot: node.spot.clone(),
        has_key: section.is_written("api_key"),
        name: section.text("name"),
        api_key: section.take("api_key").and_then(|node| reader.secret(node)),
    };
    section.finish();
    file
}

/// Headers that the gateway itself sets, or that belong to one connection.
const OWN_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "accept-encoding",
    "proxy-authorization",
    "proxy-connection",
];

fn headers(reader: &Reader<'_>, node: &Node) -> Option<Vec<(At<HeaderName>, At<HeaderValue>)>> {
    let entries = reader.entries(node, "headers is a mapping: name: value")?;
    let read = entries.iter().filter_map(|entry| {
        let spot = &entry.key_spot;
        // The value first: also beside a wrong name it is no one's to see.
        let value = reader.secret(&entry.node)?;
        let name = header_name(reader, &entry.key, spot)?;
        let value = header_value(reader, value.value.secret.reveal(), &value.spot)?;
        let spot = spot.clone();
        Some((At { value: name, spot }, value))
    });
    Some(read.collect())
}

fn header_name(reader: &Reader<'_>, written: &str, spot: &crate::yaml::Spot) -> Option<HeaderName> {
    match HeaderName::try_from(written.to_ascii_lowercase()) {
        Ok(name) if OWN_HEADERS.contains(&name.as_str()) => {
            reader
                .error("bad_header", spot, format!("`{name}` cannot be set"))
                .label("the gateway sets this one itself");
            None
        }
        Ok(name) => Some(name),
        Err(_) => {
            reader
                .error("bad_header", spot, "this is no header's name")
                .label("letters, digits and dashes");
            None
        }
    }
}

fn header_value(
    reader: &Reader<'_>,
    text: &str,
    spot: &crate::yaml::Spot,
) -> Option<At<HeaderValue>> {
    match HeaderValue::try_from(text) {
        Ok(mut value) => {
            value.set_sensitive(true);
            let spot = spot.clone();
            Some(At { value, spot })
        }
        Err(_) => {
            reader
                .error("bad_header", spot, "this value cannot be sent in a header")
                .label("printable characters on one line");
            None
        }
    }
}

fn tls(reader: &Reader<'_>, node: &Node) -> TlsFile {
    let mut section = Section::new(reader, node, "`tls`", "providers.<name>.tls");
    let path = |text: &str| Ok(text.into());
    let file = TlsFile {
        spot: node.spot.clone(),
        ca_file: section.value("ca_file", path),
        server_name: section.text("server_name"),
        client_cert: section.value("client_cert", path),
        client_key: section.value("client_key", path),
        min_version: section.value("min_version", |text| match text {
            "1.2" => Ok(TlsVersion::Tls12),
            "1.3" => Ok(TlsVersion::Tls13),
            _ => Err("write 1.2 or 1.3"),
        }),
    };
    section.finish();
    file
}

/// A provider's models: a list of names, or a mapping of names to what is said of them.
fn listed(reader: &Reader<'_>, node: &Node) -> Option<Vec<ListedFile>> {
    if let Value::List(_) = node.value {
        return reader.list(node, "a list of names", |node| {
            Some(ListedFile {
                name: reader.scalar(node, "a model's name")?,
                details: ListedDetails::default(),
            })
        });
    }
    let wanted = "models is a list of names, or a mapping: name: { price: ... }";
    let entries = reader.entries(node, wanted)?;
    let read = entries.iter().map(|entry| ListedFile {
        name: At {
            value: entry.key.clone(),
            spot: entry.key_spot.clone(),
        },
        details: listed_details(reader, &entry.key, &entry.node),
    });
    Some(read.collect())
}

fn listed_details(reader: &Reader<'_>, name: &str, node: &Node) -> ListedDetails {
    let what = format!("model `{name}`");
    let mut section = Section::new(reader, node, what, "providers.<name>.models.<model>");
    let details = ListedDetails {
        model: section.text("model"),
        price: section.take("price").map(|node| price(reader, node)),
        context: section.number("context", 1, 1_000_000_000),
        max_output: section.number("max_output", 1, 1_000_000_000),
    };
    section.finish();
    details
}

fn price(reader: &Reader<'_>, node: &Node) -> PriceFile {
    let mut section = Section::new(
        reader,
        node,
        "`price`",
        "providers.<name>.models.<model>.price",
    );
    let rate =
        |text: &str| Rate::parse_per_million(text).ok_or("write dollars per million tokens: 0.25");
    let file = PriceFile {
        spot: node.spot.clone(),
        is_complete: section.is_written("input") && section.is_written("output"),
        input: section.value("input", rate),
        output: section.value("output", rate),
        cache_read: section.value("cache_read", rate),
        cache_write: section.value("cache_write", rate),
    };
    section.finish();
    file
}

fn model(reader: &Reader<'_>, name: &str, node: &Node) -> ModelFile {
    let what = format!("model `{name}`");
    let mut section = Section::new(reader, node, what, "models.<name>");
    let file = ModelFile {
        has_targets: section.is_written("targets"),
        targets: section
            .take("targets")
            .and_then(|node| texts(reader, node, "a list: [provider/model, provider/model]")),
        strategy: section.value("strategy", |text| match text {
            "ordered" => Ok(()),
            _ => Err("this version knows `ordered` only"),
        }),
        effort: effort(reader, &mut section),
    };
    section.finish();
    file
}

fn effort<'s>(reader: &'s Reader<'_>, section: &mut Section<'s, '_>) -> Effort {
    Effort {
        timeout: section
            .take("timeout")
            .map(|node| timeout(reader, node, "timeout"))
            .unwrap_or_default(),
        retry: section
            .take("retry")
            .map(|node| {
                let mut section = Section::new(reader, node, "`retry`", "resilience.retry");
                let retry = retry(reader, &mut section);
                section.finish();
                retry
            })
            .unwrap_or_default(),
        retry_except: section.take("retry_except").and_then(|node| {
            reader.list(node, "a list of codes or groups", |node| {
                exception(reader, node)
            })
        }),
        hold: section.value("hold", |text| match text {
            "first_content" => Ok(Hold::FirstContent),
            "whole" => Ok(Hold::Whole),
            _ => Err("write first_content or whole"),
        }),
        hold_for: section.value("hold_for", text::duration),
    }
}

fn exception(reader: &Reader<'_>, node: &Node) -> Option<At<Exception>> {
    let word = reader.scalar(node, "a code or a group")?;
    let found = Code::parse(&word.value)
        .map(Exception::Code)
        .or_else(|| Group::parse(&word.value).map(Exception::Group));
    match found {
        Some(value) => Some(At {
            value,
            spot: word.spot,
        }),
        None => {
            let known = Code::ALL
                .iter()
                .map(|code| code.as_str())
                .chain(Group::ALL.iter().map(|group| group.as_str()));
            reader
                .error(
                    "unknown_code",
                    &word.spot,
                    format!("`{}` is no code and no group", text::masked(&word.value)),
                )
                .label("failures are named as in `goodgate explain`")
                .near(&word.value, known);
            None
        }
    }
}

fn timeout(reader: &Reader<'_>, node: &Node, path: &'static str) -> TimeoutFile {
    let mut section = Section::new(reader, node, "`timeout`", path);
    let mut timer = |key: &'static str| {
        let read = section.value(key, text::duration)?;
        if read.value.is_zero() || read.value > MAX_TIMER {
            let message = format!("{} is out of range", text::show(read.value));
            reader
                .error("out_of_range", &read.spot, message)
                .label(format!("{key} is 1ms to 24h"));
            return None;
        }
        Some(read)
    };
    let file = TimeoutFile {
        dns: timer("dns"),
        connect: timer("connect"),
        tls: timer("tls"),
        write: timer("write"),
        response_header: timer("response_header"),
        first_token: timer("first_token"),
        idle: timer("idle"),
        total: timer("total"),
    };
    section.finish();
    file
}

/// No timer is longer than a day.
const MAX_TIMER: std::time::Duration = std::time::Duration::from_secs(86_400);

fn retry<'s>(reader: &'s Reader<'_>, section: &mut Section<'s, '_>) -> RetryFile {
    RetryFile {
        max_attempts: section.number("max_attempts", 1, 20),
        max_targets: section.number("max_targets", 1, 20),
        backoff: section
            .take("backoff")
            .map(|node| backoff(reader, node))
            .unwrap_or_default(),
        respect_retry_after: section.value("respect_retry_after", text::boolean),
        budget: section.value("budget", text::share),
    }
}

fn backoff(reader: &Reader<'_>, node: &Node) -> BackoffFile {
    let mut section = Section::new(reader, node, "`backoff`", "resilience.retry.backoff");
    let file = BackoffFile {
        initial: section.value("initial", text::duration),
        max: section.value("max", text::duration),
        jitter: section.value("jitter", |text| match text {
            "full" => Ok(()),
            _ => Err("this version knows `full` only"),
        }),
    };
    section.finish();
    file
}

fn route(reader: &Reader<'_>, name: &str, node: &Node) -> RouteFile {
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
            .map(|node| timeout(reader, node, "routes.<name>.timeout"))
            .unwrap_or_default(),
    };
    section.finish();
    file
}

fn access(reader: &Reader<'_>, node: &Node) -> Option<At<AccessFile>> {
    let spot = node.spot.clone();
    if let Value::Map(_) = node.value {
        let mut section = Section::new(reader, node, "`access`", "routes.<name>.access");
        let networks = section.take("open").and_then(|node| networks(reader, node));
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
            let name = header_name(reader, name.trim(), &line.spot)?;
            let value = header_value(reader, value.trim(), &line.spot)?;
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
        retry: retry(reader, &mut section),
    };
    section.finish();
    file
}

fn key(reader: &Reader<'_>, name: &str, node: &Node) -> KeyFile {
    let what = format!("key `{name}`");
    let mut section = Section::new(reader, node, what, "keys.<name>");
    let file = KeyFile {
        has_secret: section.is_written("secret") || section.is_written("hash"),
        secret: section.take("secret").and_then(|node| reader.secret(node)),
        hash: section.value("hash", |text| {
            KeyHash::parse(text).ok_or("write the SHA-256 as 64 hexadecimal digits")
        }),
        rpm: section.number("rpm", 1, 10_000_000),
        concurrency: section.number("concurrency", 1, 1_000_000),
        models: section
            .take("models")
            .and_then(|node| texts(reader, node, "a list of models")),
        allow_headers: section
            .take("allow_headers")
            .and_then(|node| texts(reader, node, "a list of header names")),
    };
    section.finish();
    file
}

fn errors(reader: &Reader<'_>, node: &Node) -> ErrorsFile {
    let mut section = Section::new(reader, node, "`errors`", "errors");
    let file = ErrorsFile {
        detail: section.value("detail", |text| match text {
            "full" => Ok(ErrorDetail::Full),
            "summary" => Ok(ErrorDetail::Summary),
            "none" => Ok(ErrorDetail::None),
            _ => Err("write full, summary or none"),
        }),
    };
    section.finish();
    file
}

fn storage(reader: &Reader<'_>, node: &Node) -> StorageFile {
    let mut section = Section::new(reader, node, "`storage`", "storage");
    let file = StorageFile {
        url: section.value("url", |text| {
            let path = text.strip_prefix("sqlite://").unwrap_or_default();
            if path.is_empty() {
                Err("write sqlite:///path/to/goodgate.db; other databases come later")
            } else {
                Ok(path.into())
            }
        }),
        retain: section
            .take("retain")
            .map(|node| {
                let mut section = Section::new(reader, node, "`retain`", "storage.retain");
                let metadata = section.value("metadata", text::duration);
                section.finish();
                RetainFile { metadata }
            })
            .unwrap_or_default(),
    };
    section.finish();
    file
}

fn telemetry(reader: &Reader<'_>, node: &Node) -> TelemetryFile {
    let mut section = Section::new(reader, node, "`telemetry`", "telemetry");
    let log = section
        .take("log")
        .map(|node| {
            let mut section = Section::new(reader, node, "`log`", "telemetry.log");
            let format = section.value("format", |text| match text {
                "json" => Ok(LogFormat::Json),
                "pretty" => Ok(LogFormat::Pretty),
                _ => Err("write json or pretty"),
            });
            section.finish();
            LogFile { format }
        })
        .unwrap_or_default();
    section.finish();
    TelemetryFile { log }
}

fn texts(reader: &Reader<'_>, node: &Node, wanted: &str) -> Option<Vec<At<String>>> {
    reader.list(node, wanted, |node| reader.scalar(node, wanted))
}

fn networks(reader: &Reader<'_>, node: &Node) -> Option<Vec<At<Network>>> {
    reader.list(node, "a list of networks: [10.0.0.0/8]", |node| {
        reader.value(node, |text| {
            Network::parse(text).ok_or("write a network or an address: 10.0.0.0/8")
        })
    })
}
