//! Which setting is read from where: one function per section of the file, each key named once.

mod callers;
mod effort;
mod guards;
mod providers;
mod routes;

use provider::request;

use crate::file::{
    AdminFile, At, ErrorsFile, File, LogFile, Named, ResilienceFile, RetainFile, ServerFile,
    StorageFile, TelemetryFile,
};
use crate::reader::Reader;
use crate::section::Section;
use crate::snapshot::{ErrorDetail, LogFormat, Network};
use crate::text;
use crate::yaml::Node;

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
        providers: named(
            reader,
            top.take("providers"),
            "providers",
            providers::provider,
        ),
        models: named(reader, top.take("models"), "models", effort::model),
        routes: named(reader, top.take("routes"), "routes", routes::route),
        resilience: top
            .take("resilience")
            .map(|node| {
                let mut section = Section::new(reader, node, "`resilience`", "resilience");
                let file = ResilienceFile {
                    effort: effort::effort(reader, &mut section),
                    guards: guards::guards(reader, &mut section),
                };
                section.finish();
                file
            })
            .unwrap_or_default(),
        keys: named(reader, top.take("keys"), "keys", callers::key),
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
        drain_delay: section.value("drain_delay", text::duration),
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
            let file = section.text("file");
            section.finish();
            LogFile { format, file }
        })
        .unwrap_or_default();
    let metrics = section.value("metrics", metrics_path);
    let otlp = section.text("otlp");
    section.finish();
    TelemetryFile { metrics, otlp, log }
}

/// A path that no other answer has.
fn metrics_path(text: &str) -> Result<Option<String>, text::Reason> {
    let text = text.trim();
    if text == "off" {
        return Ok(None);
    }
    let is_path = text.len() > 1
        && text.starts_with('/')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
    let first = text.split('/').nth(1).unwrap_or_default();
    let taken = [
        "v1", "v1beta", "ui", "api", "livez", "readyz", "health", "healthz", "-",
    ];
    if !is_path || taken.contains(&first) {
        return Err("write a path of its own, such as /metrics, or off");
    }
    Ok(Some(text.to_owned()))
}

pub(super) fn texts(reader: &Reader<'_>, node: &Node, wanted: &str) -> Option<Vec<At<String>>> {
    reader.list(node, wanted, |node| reader.scalar(node, wanted))
}

pub(super) fn networks(reader: &Reader<'_>, node: &Node) -> Option<Vec<At<Network>>> {
    reader.list(node, "a list of networks: [10.0.0.0/8]", |node| {
        reader.value(node, |text| {
            Network::parse(text).ok_or("write a network or an address: 10.0.0.0/8")
        })
    })
}
