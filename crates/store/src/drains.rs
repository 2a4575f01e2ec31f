//! What was taken out of use by hand, and until when.

/// One mark: a provider, a `provider/model`, or an upstream of a plain route that gets no new calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainRow {
    /// What is out of use, unique.
    pub name: String,
    /// Since when: milliseconds since 1970.
    pub since_millis: u64,
    /// Until when; none: until it is resumed by hand.
    pub until_millis: Option<u64>,
    /// Why, in the words of whoever did it.
    pub reason: Option<String>,
}

impl DrainRow {
    /// Whether the mark holds at this moment.
    #[must_use]
    pub fn holds_at(&self, now_millis: u64) -> bool {
        self.until_millis.is_none_or(|until| until > now_millis)
    }
}
