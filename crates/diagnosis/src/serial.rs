//! How durations and bytes are written into stored evidence: milliseconds as numbers, bytes as escaped text.

use serde::{Serialize, Serializer};

/// The most bytes of a foreign message that are kept.
const KEPT_BYTES: usize = 64;

/// `Option<Duration>` as whole milliseconds.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the form serde calls it in")]
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value
            .map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
            .serialize(serializer)
    }

    #[cfg(test)]
    pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let value = <Option<u64> as serde::Deserialize>::deserialize(deserializer)?;
        Ok(value.map(Duration::from_millis))
    }
}

/// `Duration` as whole milliseconds.
pub(crate) mod whole_millis {
    use std::time::Duration;

    use serde::Serializer;

    pub(crate) fn serialize<S: Serializer>(
        value: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    #[cfg(test)]
    pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        <u64 as serde::Deserialize>::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// The most bytes of a text that is kept.
const KEPT_TEXT: usize = 200;

/// A text with secrets masked.
pub(crate) fn masked<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&kept(text))
}

/// Texts with secrets masked, at most twenty.
pub(crate) fn all_masked<S: Serializer>(
    texts: &[String],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(texts.iter().take(20).map(|text| kept(text)))
}

/// A text, if there is one, with secrets masked.
#[expect(clippy::ref_option, reason = "the form serde calls it in")]
pub(crate) fn some_masked<S: Serializer>(
    text: &Option<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    text.as_deref().map(kept).serialize(serializer)
}

/// A word of an error: as it is if it looks like a program's word, else only that there was one.
#[expect(clippy::ref_option, reason = "the form serde calls it in")]
pub(crate) fn machine_word<S: Serializer>(
    word: &Option<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let shown = word
        .as_deref()
        .map(|word| crate::excerpt::machine_word(word).unwrap_or("…"));
    shown.serialize(serializer)
}

fn kept(text: &str) -> String {
    crate::excerpt::clip(&crate::excerpt::mask(text), KEPT_TEXT)
}

/// Bytes as text with escapes, at most [`KEPT_BYTES`] of them, secrets masked.
pub(crate) mod escaped {
    use serde::Serializer;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::escape(bytes, super::KEPT_BYTES))
    }

    #[cfg(test)]
    pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        Ok(super::unescape(&text))
    }
}

/// The first bytes as text: printable ASCII as it is, the rest escaped, secrets masked.
pub(crate) fn escape(bytes: &[u8], most: usize) -> String {
    let kept = bytes.get(..most).unwrap_or(bytes);
    crate::excerpt::mask(&kept.escape_ascii().to_string())
}

/// The inverse of [`escape`], for recorded cases.
#[cfg(test)]
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let byte = match (c, c == '\\') {
            (_, true) => match rest.next() {
                Some('r') => b'\r',
                Some('n') => b'\n',
                Some('t') => b'\t',
                Some('x') => {
                    let digits: String = rest.by_ref().take(2).collect();
                    u8::from_str_radix(&digits, 16).expect("two hexadecimal digits")
                }
                Some(other) => u8::try_from(other).expect("ASCII"),
                None => b'\\',
            },
            (other, false) => u8::try_from(other).expect("ASCII"),
        };
        bytes.push(byte);
    }
    bytes
}

/// A word of a recorded case as long-lived text.
#[cfg(test)]
pub(crate) fn leak<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<&'static str, D::Error> {
    <String as serde::Deserialize>::deserialize(deserializer).map(|text| &*text.leak())
}
