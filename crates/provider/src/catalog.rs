//! What models cost and how much they take, from each kind's `models.toml`.
//!
//! A price here is a default: configuration overrides it. A model that is not listed has no price, which is not zero.

use std::collections::HashMap;
use std::sync::LazyLock;

use dialect::{Dialect, ThinkingStyle};
use serde::Deserialize;
use types::{NanoUsd, TokenUsage};

use crate::KINDS;
use crate::kind::Kind;

/// What a token costs, in millionths of a millionth of a dollar: prices go down to fractions of a nano-dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

impl Rate {
    /// Costs nothing.
    pub const FREE: Self = Self(0);

    /// Reads dollars per million tokens as price lists write them: `0.25`, `3`, `0.0375`; at most six decimals.
    #[must_use]
    pub fn parse_per_million(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || fraction.len() > 6 {
            return None;
        }
        let millionths: u64 = format!("{fraction:0<6}").parse().ok()?;
        let whole: u64 = whole.parse().ok()?;
        whole
            .checked_mul(1_000_000)?
            .checked_add(millionths)
            .map(Self)
    }

    fn times(self, count: u64) -> u128 {
        u128::from(self.0) * u128::from(count)
    }
}

/// What tokens cost, by what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// A token of the prompt that no cache held.
    pub input: Rate,
    /// A token of the answer, reasoning included.
    pub output: Rate,
    /// A token of the prompt that the provider's cache held; the input price where there is no other.
    pub cache_read: Rate,
    /// A token of the prompt that was written into the cache; the input price where there is no other.
    pub cache_write: Rate,
}

impl Price {
    /// Costs nothing.
    pub const FREE: Self = Self {
        input: Rate::FREE,
        output: Rate::FREE,
        cache_read: Rate::FREE,
        cache_write: Rate::FREE,
    };
}

/// What is known of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// What its tokens cost.
    pub price: Price,
    /// The longest prompt in tokens.
    pub context: Option<u64>,
    /// The longest answer in tokens.
    pub max_output: Option<u64>,
    /// How it is asked to think.
    pub thinking: ThinkingStyle,
}

/// A kind's `models.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    source: String,
    #[serde(default)]
    models: HashMap<String, Row>,
}

/// One line of it: prices in dollars per million tokens, as text so that they stay exact.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    input: Amount,
    output: Amount,
    cache_read: Option<Amount>,
    cache_write: Option<Amount>,
    context: Option<u64>,
    max_output: Option<u64>,
    thinking: Option<Thinking>,
}

/// A [`ThinkingStyle`] that is not the usual one.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Thinking {
    Adaptive,
    AdaptiveOnly,
    Always,
}

impl From<Thinking> for ThinkingStyle {
    fn from(thinking: Thinking) -> Self {
        match thinking {
            Thinking::Adaptive => Self::Adaptive,
            Thinking::AdaptiveOnly => Self::AdaptiveOnly,
            Thinking::Always => Self::Always,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Amount(Rate);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Rate::parse_per_million(&text)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("not a price in dollars per million tokens"))
    }
}

impl From<Row> for Model {
    fn from(row: Row) -> Self {
        Self {
            price: Price {
                input: row.input.0,
                output: row.output.0,
                cache_read: row.cache_read.unwrap_or(row.input).0,
                cache_write: row.cache_write.unwrap_or(row.input).0,
            },
            context: row.context,
            max_output: row.max_output,
            thinking: row.thinking.map(ThinkingStyle::from).unwrap_or_default(),
        }
    }
}

#[derive(Debug, Default)]
struct Catalog {
    source: String,
    models: HashMap<String, Model>,
}

// A listing that does not parse gives an empty catalogue; the table's test refuses to let one be committed.
static CATALOGS: LazyLock<HashMap<&'static str, Catalog>> = LazyLock::new(|| {
    KINDS
        .iter()
        .map(|kind| (kind.name, read(kind.models).unwrap_or_default()))
        .collect()
});

fn read(text: &str) -> Result<Catalog, toml::de::Error> {
    let listing: Listing = toml::from_str(text)?;
    Ok(Catalog {
        source: listing.source,
        models: listing
            .models
            .into_iter()
            .map(|(name, row)| (name, Model::from(row)))
            .collect(),
    })
}

/// Whether a listing parses, for the table's test.
#[cfg(test)]
pub(crate) fn check(text: &str) -> Result<(), toml::de::Error> {
    read(text).map(drop)
}

/// What is known of a model, by its own name or, for a dated release, by the name without the date.
#[must_use]
pub fn model(kind: &Kind, name: &str) -> Option<Model> {
    let models = &CATALOGS.get(kind.name)?.models;
    models
        .get(name)
        .or_else(|| models.get(without_date(name)?))
        .copied()
}

/// What a model's tokens cost, where known.
#[must_use]
pub fn price(kind: &Kind, model_name: &str) -> Option<Price> {
    model(kind, model_name).map(|model| model.price)
}

/// The longest answer a model gives, where known.
#[must_use]
pub fn max_output(kind: &Kind, model_name: &str) -> Option<u64> {
    model(kind, model_name)?.max_output
}

/// How a model is asked to think; of a model that is not listed the version in its name tells.
///
/// Source: Anthropic, "Adaptive thinking": Claude 4.6 takes both ways, 4.7 and later refuse a budget and sampling
/// parameters; the newest cannot be told not to think. Seen 2026-11 in the price list that `models.toml` names.
#[must_use]
pub fn thinking(kind: &Kind, model_name: &str) -> ThinkingStyle {
    if kind.dialect != Dialect::AnthropicMessages {
        return ThinkingStyle::default();
    }
    match (model(kind, model_name), claude_version(model_name)) {
        (Some(known), _) => known.thinking,
        (None, Some((4, 6))) => ThinkingStyle::Adaptive,
        (None, Some(version)) if version > (4, 6) => ThinkingStyle::AdaptiveOnly,
        (None, _) => ThinkingStyle::Budget,
    }
}

/// `claude-opus-4-6-20260205` is 4.6, `claude-opus-5` is 5.0; older names put the version before the family.
fn claude_version(name: &str) -> Option<(u8, u8)> {
    let (_, rest) = name.split_once("claude-")?;
    let mut words = rest.split(['-', '.', '@', ':']);
    words
        .next()
        .filter(|family| family.bytes().all(|b| b.is_ascii_lowercase()))?;
    let major = words.next()?.parse().ok()?;
    // A date is no number of this size.
    let minor = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    Some((major, minor))
}

/// The names of a kind's known models, sorted.
#[must_use]
pub fn models(kind: &Kind) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = CATALOGS
        .get(kind.name)
        .map(|catalog| catalog.models.keys().map(String::as_str).collect())
        .unwrap_or_default();
    names.sort_unstable();
    names
}

/// Where a kind's prices are from, and when they were seen.
#[must_use]
pub fn source(kind: &Kind) -> &'static str {
    CATALOGS
        .get(kind.name)
        .map_or("", |catalog| catalog.source.as_str())
}

/// What a call cost. Canonical usage counts cached tokens inside `input`: each token is billed once.
#[must_use]
pub fn cost(price: &Price, usage: &TokenUsage) -> NanoUsd {
    let read = usage.cache_read.unwrap_or(0);
    let written = usage.cache_write.unwrap_or(0);
    let fresh = usage
        .input
        .unwrap_or(0)
        .saturating_sub(read)
        .saturating_sub(written);
    let picos = price
        .input
        .times(fresh)
        .saturating_add(price.cache_read.times(read))
        .saturating_add(price.cache_write.times(written))
        .saturating_add(price.output.times(usage.output.unwrap_or(0)));
    NanoUsd::new(u64::try_from(picos.saturating_add(500) / 1000).unwrap_or(u64::MAX))
}

/// `gpt-5-2025-08-07`, `claude-haiku-4-5-20251001`: the name before the date.
fn without_date(name: &str) -> Option<&str> {
    let is_digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let (rest, last) = name.rsplit_once('-')?;
    if is_digits(last, 8) {
        return Some(rest);
    }
    let (rest, month) = rest.rsplit_once('-')?;
    let (rest, year) = rest.rsplit_once('-')?;
    (is_digits(last, 2) && is_digits(month, 2) && is_digits(year, 4)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_are_billed_once_and_at_their_own_price() {
        let rate = |text| Rate::parse_per_million(text).unwrap();
        let price = Price {
            input: rate("1"),
            output: rate("5"),
            cache_read: rate("0.0375"),
            cache_write: rate("1.25"),
        };
        let usage = TokenUsage {
            input: Some(1000),
            output: Some(10),
            cache_read: Some(600),
            cache_write: Some(100),
            reasoning: Some(5),
        };
        // 300 fresh at 1000, 600 read at 37.5, 100 written at 1250, 10 of output at 5000 nano-dollars.
        let expected = 300_000 + 22_500 + 125_000 + 50_000;
        assert_eq!(cost(&price, &usage).as_nanos(), expected);
    }

    #[test]
    fn a_price_is_a_plain_decimal_number() {
        for text in [
            "",
            ".5",
            "1.",
            "-1",
            "1e3",
            "0.1234567",
            "1,5",
            "99999999999999999999",
        ] {
            assert_eq!(Rate::parse_per_million(text), None, "{text}");
        }
        assert_eq!(Rate::parse_per_million("0.5"), Some(Rate(500_000)));
    }

    #[test]
    fn more_cached_than_input_tokens_is_no_negative_price() {
        let usage = TokenUsage {
            input: Some(1),
            cache_read: Some(5),
            ..TokenUsage::default()
        };
        assert_eq!(cost(&Price::FREE, &usage), NanoUsd::ZERO);
    }

    #[test]
    fn a_dated_release_costs_what_its_name_without_the_date_costs() {
        let openai = crate::kind("openai").unwrap();
        let anthropic = crate::kind("anthropic").unwrap();
        assert_eq!(
            price(openai, "gpt-5-mini"),
            price(openai, "gpt-5-mini-2025-08-07")
        );
        assert!(price(openai, "gpt-5-mini").is_some());
        assert_eq!(
            max_output(anthropic, "claude-haiku-4-5-20251001"),
            Some(64_000)
        );
        assert_eq!(price(openai, "gpt-nobody-knows"), None);
    }

    #[test]
    fn claude_thinks_by_a_budget_until_4_5_and_adaptively_from_4_6_on() {
        let anthropic = crate::kind("anthropic").unwrap();
        for (name, style) in [
            ("claude-3-5-sonnet-20241022", ThinkingStyle::Budget),
            ("claude-sonnet-4-20250514", ThinkingStyle::Budget),
            ("claude-sonnet-4-5-20250929", ThinkingStyle::Budget),
            ("claude-haiku-4-5", ThinkingStyle::Budget),
            ("claude-sonnet-4-6", ThinkingStyle::Adaptive),
            ("claude-opus-4-6-20260205", ThinkingStyle::Adaptive),
            ("anthropic/claude-haiku-4.6", ThinkingStyle::Adaptive),
            ("claude-opus-4-7", ThinkingStyle::AdaptiveOnly),
            ("claude-haiku-5-5", ThinkingStyle::AdaptiveOnly),
            ("claude-opus-6", ThinkingStyle::AdaptiveOnly),
            ("claude-opus-5-5", ThinkingStyle::Always),
            ("my-own-model", ThinkingStyle::Budget),
        ] {
            assert_eq!(thinking(anthropic, name), style, "{name}");
        }
        let other = crate::kind("openai").unwrap();
        assert_eq!(thinking(other, "claude-opus-4-7"), ThinkingStyle::Budget);
    }
}
