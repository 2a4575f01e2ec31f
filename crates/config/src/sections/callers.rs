//! Callers' keys.

use crate::file::KeyFile;
use crate::keys::KeyHash;
use crate::reader::Reader;
use crate::section::Section;
use crate::yaml::Node;
use types::Priority;

pub(super) fn key(reader: &Reader<'_>, name: &str, node: &Node) -> KeyFile {
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
        priority: section.value("priority", |text| {
            Priority::parse(text).ok_or("write critical, high, normal or batch")
        }),
        team: section.text("team"),
        hold: section.value("hold", super::effort::hold),
        models: section
            .take("models")
            .and_then(|node| super::texts(reader, node, "a list of models")),
        allow_headers: section
            .take("allow_headers")
            .and_then(|node| super::texts(reader, node, "a list of header names")),
    };
    section.finish();
    file
}
