//! How a kind takes its key: in which header, with which prefix.

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use types::Secret;

/// The header that carries a provider's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer <key>`.
    Bearer,
    /// `x-api-key: <key>`. Source: Anthropic, API overview, Authentication, seen 2026-11.
    XApiKey,
    /// `x-goog-api-key: <key>`. Source: Gemini API reference, Authentication, seen 2026-11.
    GoogApiKey,
    /// No key at all.
    None,
}

impl Auth {
    /// The header and its value, marked sensitive; `None` where no key is sent or the key cannot stand in a header.
    #[must_use]
    pub fn header(self, key: &Secret) -> Option<(HeaderName, HeaderValue)> {
        let (name, text) = match self {
            Self::Bearer => (AUTHORIZATION, format!("Bearer {}", key.reveal())),
            Self::XApiKey => (
                HeaderName::from_static("x-api-key"),
                key.reveal().to_owned(),
            ),
            Self::GoogApiKey => (
                HeaderName::from_static("x-goog-api-key"),
                key.reveal().to_owned(),
            ),
            Self::None => return None,
        };
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }
}

/// Whether a key can be sent in a header at all: visible ASCII, not empty.
#[must_use]
pub fn is_sendable(key: &Secret) -> bool {
    !key.reveal().is_empty() && key.reveal().bytes().all(|byte| byte.is_ascii_graphic())
}
