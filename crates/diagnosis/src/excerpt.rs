//! What may be shown of a foreign body.

/// The excerpt and the title of a page.
#[must_use]
pub fn scrub(_body: &[u8], _content_type: Option<&str>) -> (Option<String>, Option<String>) {
    (None, None)
}

/// The message, if it is one that a provider is known to send and that repeats no prompt.
#[must_use]
pub fn known_message(_message: &str) -> Option<String> {
    None
}

/// Masks what looks like a secret.
#[must_use]
pub fn mask(text: &str) -> String {
    text.to_owned()
}
