//! Newtypes for everything that has a name or an id, so that a key's id is never taken for a team's.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! named {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is; whether such a thing exists is for the owner of the id to say.
            #[must_use]
            pub fn new(text: &str) -> Self {
                Self(Arc::from(text))
            }

            /// The text, as written in configuration and shown to people.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Ok(Self::new(&text))
            }
        }
    };
}

named! {
    /// A caller's virtual key, by its name in configuration or storage; never its secret.
    KeyId
}
named! {
    /// A team of callers.
    TeamId
}
named! {
    /// A configured provider: the first segment of `provider/model`.
    ProviderId
}
named! {
    /// One credential of a provider, by its name; never its secret.
    CredentialId
}
named! {
    /// A model's name as its provider knows it: everything after the first `/` of `provider/model`.
    ModelName
}

/// The id of one call: `req_` and the 26 characters of a ULID, so ids sort by time.
///
/// It is in the answer's `x-request-id`, in the log, the store, the web UI and `goodgate explain`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(u128);

/// Crockford's base 32, as ULIDs use it.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Length of the text of a [`CallId`]: `req_` and 26 characters.
pub const CALL_ID_LENGTH: usize = 30;

impl CallId {
    /// A new id: 48 bits of wall-clock milliseconds, then 80 random bits.
    #[must_use]
    pub fn generate(unix_millis: u64) -> Self {
        let time = u128::from(unix_millis & 0xFFFF_FFFF_FFFF) << 80;
        let random = fastrand::u128(..) & ((1 << 80) - 1);
        Self(time | random)
    }

    /// Reads what [`CallId::write`] wrote; letters may be of either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("req_")?.as_bytes();
        if digits.len() != 26 {
            return None;
        }
        let mut value: u128 = 0;
        for digit in digits {
            let upper = digit.to_ascii_uppercase();
            let position = CROCKFORD.iter().position(|c| *c == upper)?;
            value = value.checked_mul(32)?.checked_add(position as u128)?;
        }
        Some(Self(value))
    }

    /// The text as bytes on the stack: a call's id is written several times and never allocated for it.
    #[must_use]
    pub fn write(&self) -> CallIdText {
        let mut bytes = *b"req_00000000000000000000000000";
        let mut rest = self.0;
        for slot in bytes.iter_mut().skip(4).rev() {
            let digit = (rest & 31) as usize;
            *slot = CROCKFORD.get(digit).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        CallIdText(bytes)
    }

    /// The number that the text writes: 48 bits of time, 80 random ones.
    #[must_use]
    pub fn as_u128(&self) -> u128 {
        self.0
    }

    /// When the call began, in milliseconds since 1970.
    #[must_use]
    pub fn unix_millis(&self) -> u64 {
        u64::try_from(self.0 >> 80).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write().as_str())
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallId({self})")
    }
}

impl Serialize for CallId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.write().as_str())
    }
}

impl<'de> Deserialize<'de> for CallId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("not a request id (req_ and 26 characters)"))
    }
}

/// The written form of a [`CallId`].
#[derive(Clone, Copy, Debug)]
pub struct CallIdText([u8; CALL_ID_LENGTH]);

impl CallIdText {
    /// The text; always ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The same as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_id_reads_back_as_itself_and_tells_its_time() {
        let id = CallId::generate(1_790_000_000_123);
        let text = id.to_string();
        assert_eq!(text.len(), CALL_ID_LENGTH);
        assert_eq!(CallId::parse(&text), Some(id));
        assert_eq!(CallId::parse(&text.to_lowercase()), Some(id));
        assert_eq!(id.unix_millis(), 1_790_000_000_123);
    }

    #[test]
    fn later_calls_have_greater_ids() {
        assert!(CallId::generate(1).to_string() < CallId::generate(2).to_string());
    }

    #[test]
    fn other_texts_are_no_call_ids() {
        for text in [
            "",
            "req_",
            "req_01",
            "abc_01K9ZQ7V3M8T2ABCDEFGHJKMNP",
            "req_U1K9ZQ7V3M8T2ABCDEFGHJKMN!",
        ] {
            assert_eq!(CallId::parse(text), None, "{text}");
        }
    }
}
