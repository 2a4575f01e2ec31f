//! What could not be carried from one dialect to another.

use std::borrow::Cow;

/// A note that something of a call or an answer did not reach the other side.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Loss {
    /// The field, in the words of the side it came from.
    pub field: Cow<'static, str>,
    /// Why, and what was done instead.
    pub why: Cow<'static, str>,
}

impl Loss {
    /// A note about one field.
    #[must_use]
    pub fn new(field: impl Into<Cow<'static, str>>, why: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: field.into(),
            why: why.into(),
        }
    }
}
