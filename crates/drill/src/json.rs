//! A small writer of JSON that keeps the order of members and the spelling of numbers.
//!
//! Real servers write `id` before `choices`, and arguments of tools must come out exactly as scripted.

use std::fmt;

/// A JSON value that is only ever written.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    /// JSON text that is copied as it is.
    Raw(String),
    /// A string.
    Text(String),
    /// Members in their order.
    Object(Vec<(String, Json)>),
    /// Items.
    Array(Vec<Json>),
    /// Nothing: left out of objects.
    Absent,
}

impl Json {
    /// `null`.
    pub(crate) fn null() -> Self {
        Self::Raw("null".to_owned())
    }

    /// JSON text as it is, or a string of it when it is no JSON.
    pub(crate) fn raw(text: &str) -> Self {
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Self::Raw(text.to_owned()),
            Err(_) => Self::Text(text.to_owned()),
        }
    }

    /// The value, or `null` (a member that is always there).
    pub(crate) fn or_null<T: Into<Self>>(value: Option<T>) -> Self {
        value.map_or_else(Self::null, Into::into)
    }

    /// The value, or nothing (a member that is left out).
    pub(crate) fn or_absent<T: Into<Self>>(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw(text) => f.write_str(text),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Object(members) => {
                f.write_str("{")?;
                let present = members
                    .iter()
                    .filter(|(_, value)| !matches!(value, Self::Absent));
                for (n, (name, value)) in present.enumerate() {
                    let comma = if n == 0 { "" } else { "," };
                    write!(f, "{comma}{}:{value}", quoted(name))?;
                }
                f.write_str("}")
            }
            Self::Array(items) => {
                f.write_str("[")?;
                for (n, item) in items.iter().enumerate() {
                    let comma = if n == 0 { "" } else { "," };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Self::Absent => f.write_str("null"),
        }
    }
}

/// The text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Json {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Raw(value.to_string())
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Raw(value.to_string())
    }
}

impl From<u16> for Json {
    fn from(value: u16) -> Self {
        Self::Raw(value.to_string())
    }
}

impl From<i32> for Json {
    fn from(value: i32) -> Self {
        Self::Raw(value.to_string())
    }
}

impl From<usize> for Json {
    fn from(value: usize) -> Self {
        Self::Raw(value.to_string())
    }
}

impl From<Vec<Self>> for Json {
    fn from(items: Vec<Self>) -> Self {
        Self::Array(items)
    }
}

impl From<&serde_json::Value> for Json {
    fn from(value: &serde_json::Value) -> Self {
        Self::Raw(value.to_string())
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self::Raw(value.to_string())
    }
}

/// An object whose members keep their order: `object! { "id" => id, "n" => 1 }`.
macro_rules! object {
    ($($name:expr => $value:expr),* $(,)?) => {
        $crate::json::Json::Object(vec![$(($name.to_owned(), $crate::json::Json::from($value))),*])
    };
}
pub(crate) use object;

/// An array.
macro_rules! array {
    ($($value:expr),* $(,)?) => {
        $crate::json::Json::Array(vec![$($crate::json::Json::from($value)),*])
    };
}
pub(crate) use array;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_numbers_their_spelling() {
        let value = object! {
            "z" => 1, "a" => Json::raw("{\"y\":1e-7,\"b\":18446744073709551615}"),
            "gone" => Json::Absent, "t" => array!["x\"", true],
        };
        assert_eq!(
            value.to_string(),
            r#"{"z":1,"a":{"y":1e-7,"b":18446744073709551615},"t":["x\"",true]}"#
        );
    }
}
