//! Text that must not be seen: redacted when printed, wiped when dropped.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A provider's key or another secret. `Debug` shows its last four characters at most; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes over the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The secret itself, for the one place that sends or compares it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What may be shown to tell one key from another: `…x7Qa`, or `…` where the text is too short to show any of it.
    #[must_use]
    pub fn hint(&self) -> String {
        let count = self.0.chars().count();
        if count < 12 {
            return "…".to_owned();
        }
        let tail: String = self.0.chars().skip(count - 4).collect();
        format!("…{tail}")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed_whole() {
        let secret = Secret::new("sk-abcdefghijklmnop".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(…mnop)");
        assert_eq!(Secret::new("short".to_owned()).hint(), "…");
    }
}
