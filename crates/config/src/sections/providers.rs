//! Providers: address, keys, headers, TLS, models.

use http::header::{HeaderName, HeaderValue};
use provider::catalog::Rate;

use super::{effort, guards};
use crate::calendar;
use crate::file::{
    At, CredentialFile, ListedDetails, ListedFile, MaintenanceFile, PriceFile, ProviderFile,
    Recurrence, TlsFile,
};
use crate::reader::Reader;
use crate::section::Section;
use crate::snapshot::{HttpVersion, TlsVersion};
use crate::text;
use crate::text::Reason;
use crate::yaml::{Node, Spot, Value};

pub(super) fn provider(reader: &Reader<'_>, name: &str, node: &Node) -> ProviderFile {
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
        tls: section
            .take("tls")
            .map(|node| tls(reader, node, "providers.<name>.tls")),
        http_version: section.value("http_version", http_version),
        timeout: section
            .take("timeout")
            .map(|node| effort::timeout(reader, node, "providers.<name>.timeout"))
            .unwrap_or_default(),
        guards: guards::guards(reader, &mut section),
        models: section.take("models").and_then(|node| listed(reader, node)),
        maintenance: section.take("maintenance").and_then(|node| {
            let wanted = "a list of windows: - { start: ..., end: ... }";
            reader.list(node, wanted, |node| Some(maintenance(reader, node)))
        }),
    };
    section.finish();
    file
}

fn maintenance(reader: &Reader<'_>, node: &Node) -> MaintenanceFile {
    const DAYS: [&str; 7] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    let path = "providers.<name>.maintenance[]";
    let mut section = Section::new(reader, node, "a window of maintenance", path);
    let mut file = MaintenanceFile {
        spot: node.spot.clone(),
        has_unreadable: false,
        start: section.value("start", calendar::moment),
        end: section.value("end", calendar::moment),
        every: section.value("every", |text| {
            let day = || DAYS.iter().zip(0..).find(|(day, _)| **day == text);
            match text {
                "day" => Ok(Recurrence::Day),
                _ => day()
                    .map(|(_, number)| Recurrence::Week(number))
                    .ok_or("write day, or a day of the week: sunday"),
            }
        }),
        at: section.value("at", calendar::time_of_day),
        length: section.value("for", text::duration),
        reason: section.text("reason"),
    };
    file.has_unreadable = [
        ("start", file.start.is_none()),
        ("end", file.end.is_none()),
        ("every", file.every.is_none()),
        ("at", file.at.is_none()),
        ("for", file.length.is_none()),
    ]
    .iter()
    .any(|(key, is_missing)| *is_missing && section.is_written(key));
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

pub(super) fn header_name(reader: &Reader<'_>, written: &str, spot: &Spot) -> Option<HeaderName> {
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

pub(super) fn header_value(
    reader: &Reader<'_>,
    text: &str,
    spot: &Spot,
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

/// Which HTTP is spoken.
pub(super) fn http_version(text: &str) -> Result<HttpVersion, Reason> {
    match text {
        "1.1" | "1" => Ok(HttpVersion::One),
        "2" => Ok(HttpVersion::Two),
        "auto" => Ok(HttpVersion::Auto),
        _ => Err("write 1.1, 2 or auto"),
    }
}

pub(super) fn tls(reader: &Reader<'_>, node: &Node, path: &'static str) -> TlsFile {
    let mut section = Section::new(reader, node, "`tls`", path);
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
        max_concurrency: section.number("max_concurrency", 1, 1_000_000),
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
