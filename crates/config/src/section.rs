//! A mapping with known keys: whatever was not asked for is unknown, and told with what may have been meant.

use crate::file::At;
use crate::near;
use crate::reader::Reader;
use crate::text::{self, Reason};
use crate::words;
use crate::yaml::{Entry, Node, Value};

/// A mapping with known keys. Whatever was not asked for by [`Section::take`] is unknown.
#[derive(Debug)]
pub(crate) struct Section<'s, 'a> {
    reader: &'s Reader<'a>,
    entries: &'s [Entry],
    /// What it is, for messages: "model `smart`".
    what: String,
    /// Its path with names replaced, for messages: `models.<name>`.
    path: &'static str,
    asked: Vec<&'static str>,
}

impl<'s, 'a> Section<'s, 'a> {
    pub(crate) fn new(
        reader: &'s Reader<'a>,
        node: &'s Node,
        what: impl Into<String>,
        path: &'static str,
    ) -> Self {
        let wanted = format!("{path} is a mapping: key: value");
        Self {
            reader,
            entries: reader.entries(node, &wanted).unwrap_or_default(),
            what: what.into(),
            path,
            asked: Vec::new(),
        }
    }

    /// The value of a key; `None` where it is not written, or nothing stands behind it.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<&'s Node> {
        self.asked.push(key);
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.node)
            .filter(|node| !node.is_null())
    }

    /// Whether something stands behind a key, whatever it is: what cannot be read is not missing besides.
    pub(crate) fn is_written(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| {
            let is_empty = match &entry.node.value {
                Value::List(nodes) => nodes.is_empty(),
                Value::Scalar(..) | Value::Map(_) => entry.node.is_null(),
            };
            entry.key == key && !is_empty
        })
    }

    /// A scalar read by `parse`.
    pub(crate) fn value<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Reason>,
    ) -> Option<At<T>> {
        let node = self.take(key)?;
        self.reader.value(node, parse)
    }

    /// A text.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<At<String>> {
        let node = self.take(key)?;
        self.reader.scalar(node, "a text")
    }

    /// A number within bounds.
    pub(crate) fn number<T>(&mut self, key: &'static str, least: u64, most: u64) -> Option<At<T>>
    where
        T: TryFrom<u64>,
    {
        let node = self.take(key)?;
        let number = self.reader.value(node, |text| {
            text.parse::<u64>().map_err(|_| "write a whole number")
        })?;
        let value = T::try_from(number.value).ok();
        match value {
            Some(value) if (least..=most).contains(&number.value) => Some(At {
                value,
                spot: number.spot,
            }),
            _ => {
                let message = format!("`{}` is out of range", number.value);
                self.reader
                    .error("out_of_range", &number.spot, message)
                    .label(format!("{key} is {least} to {most}"));
                None
            }
        }
    }

    /// Reports every key that nobody asked for.
    pub(crate) fn finish(self) {
        let Self {
            reader,
            entries,
            what,
            path,
            asked,
        } = self;
        for entry in entries {
            let key = entry.key.as_str();
            if asked.contains(&key) {
                continue;
            }
            let place = if path.is_empty() {
                "of a configuration".to_owned()
            } else {
                format!("of {path}")
            };
            if let Some(note) = words::later(path, key) {
                let message = format!("`{key}` in {what} is not supported by this version yet");
                reader
                    .error("unsupported_key", &entry.key_spot, message)
                    .label("remove it")
                    .help(note);
                continue;
            }
            let report = reader
                .error(
                    "unknown_key",
                    &entry.key_spot,
                    format!("unknown key `{}` in {what}", text::masked(key)),
                )
                .label(format!("not a key {place}"));
            match words::renamed(path, key) {
                Some(help) => drop(report.help(help)),
                None => match near::name(key, asked.iter().copied()) {
                    Some(meant) => drop(report.help(format!("did you mean `{meant}`?"))),
                    None => drop(report.help(format!("known here: {}", asked.join(", ")))),
                },
            }
        }
    }
}
