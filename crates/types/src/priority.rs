//! Whose calls come first when there is no room for all.

/// A class of calls. Where there is room it means nothing; where there is none, the lower ones wait and are left out first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// May wait: jobs that nobody watches.
    Batch,
    /// What nobody has said anything of.
    #[default]
    Normal,
    /// People wait for it.
    High,
    /// Must not fail while anything works.
    Critical,
}

impl Priority {
    /// All, the first to be left out first.
    pub const ALL: [Self; 4] = [Self::Batch, Self::Normal, Self::High, Self::Critical];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads its word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ordered_and_read_back_from_their_words() {
        assert!(Priority::ALL.is_sorted());
        for one in Priority::ALL {
            assert_eq!(Priority::parse(one.as_str()), Some(one));
        }
        assert_eq!(Priority::parse("urgent"), None);
        assert_eq!(Priority::default(), Priority::Normal);
    }
}
