//! What a call used, in tokens, in one accounting for all providers.

use serde::{Deserialize, Serialize};

/// Token counts in canonical accounting: `input` **includes** cache reads and writes, `output` **includes** reasoning.
///
/// A field is `None` where the provider did not say; zero is an answer, too. Providers that count otherwise
/// (Anthropic's input excludes cached tokens, Gemini's candidates exclude thoughts) are converted by their dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// All tokens of the prompt, cached ones too.
    pub input: Option<u64>,
    /// All tokens of the answer, reasoning too.
    pub output: Option<u64>,
    /// The part of `input` that was read from the provider's cache.
    pub cache_read: Option<u64>,
    /// The part of `input` that was written into the provider's cache.
    pub cache_write: Option<u64>,
    /// The part of `output` that was reasoning.
    pub reasoning: Option<u64>,
}

impl TokenUsage {
    /// Whether nothing at all is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// Takes what `later` says over what is known: streams repeat running totals, they are never added up.
    pub fn replace_with(&mut self, later: &Self) {
        self.input = later.input.or(self.input);
        self.output = later.output.or(self.output);
        self.cache_read = later.cache_read.or(self.cache_read);
        self.cache_write = later.cache_write.or(self.cache_write);
        self.reasoning = later.reasoning.or(self.reasoning);
    }

    /// Input and output together, unknown parts as zero.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.input
            .unwrap_or(0)
            .saturating_add(self.output.unwrap_or(0))
    }
}
