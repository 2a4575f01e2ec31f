//! Where conversations were answered, so that their later turns find a warm prompt cache.
//!
//! A cache has a price: it is left for a faster or less busy target only where the gain is worth the prompt paid again.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Target;
use parking_lot::Mutex;
use provider::catalog::{self, Price};
use resilience::balance::{Candidate, Readiness, Strategy};
use types::{NanoUsd, TokenUsage};

use crate::intake::ModelCall;

/// Conversations that are remembered at least; twice as many at most. About 40 bytes each.
const REMEMBERED: usize = 32_768;

/// No provider keeps a prompt for longer without being paid for it. Source: `OpenAI` and Anthropic, prompt caching, 5 to
/// 60 minutes, seen 2026-11.
const COLD_AFTER: Duration = Duration::from_secs(3_600);

/// Shorter prompts are not cached. Source: the same: 1,024 tokens.
const SHORTEST_CACHED: u64 = 1_024;

/// A busy target is left for one with less than half of its calls, and at least this many fewer: an even spread is no gain.
const FEWER: u32 = 4;

/// A slow target is left for one that answers in less than half of its time, and at least this much sooner.
const SOONER: Duration = Duration::from_millis(500);

/// A conversation, by a hash of what its turns share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Conversation(u64);

impl Conversation {
    /// The conversation of a call: alias, system and tools, first turn of the user.
    pub(super) fn of(call: &ModelCall) -> Self {
        let mut hasher = DefaultHasher::new();
        call.model.hash(&mut hasher);
        for span in dialect::splice::stable_prefix(&call.raw) {
            call.raw
                .get(span.start..span.end)
                .unwrap_or_default()
                .hash(&mut hasher);
        }
        Self(hasher.finish())
    }

    /// A number from 0 up to 1 that is the same for every turn of the conversation, and another one for each target: where
    /// nothing is remembered, all gateways choose alike.
    pub(super) fn chance(self, target: &str) -> f64 {
        let mut hasher = DefaultHasher::new();
        (self, target).hash(&mut hasher);
        let bits = u32::try_from(hasher.finish() >> 32).unwrap_or(0);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }
}

/// Where a conversation was answered last.
#[derive(Clone, Copy, Debug)]
struct Answered {
    target: u64,
    /// Tokens of its prompt that the provider's cache is expected to hold.
    cached: u64,
    at: Instant,
}

/// All conversations that are remembered. The older half is forgotten when the younger one is full.
#[derive(Debug, Default)]
pub struct Conversations {
    halves: Mutex<Halves>,
}

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<Conversation, Answered>,
    old: HashMap<Conversation, Answered>,
}

/// A target with a warm cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Warm {
    /// Its place among the targets.
    pub(super) place: usize,
    /// Tokens of the prompt that its cache is expected to hold.
    pub(super) cached: u64,
}

impl Conversations {
    /// Which of the targets has answered the conversation, if that is not long ago.
    pub(super) fn recall<'t>(
        &self,
        conversation: Conversation,
        targets: impl Iterator<Item = &'t str>,
        now: Instant,
    ) -> Option<Warm> {
        let answered = {
            let halves = self.halves.lock();
            let found = halves.young.get(&conversation);
            found.or_else(|| halves.old.get(&conversation)).copied()
        }?;
        if now.saturating_duration_since(answered.at) >= COLD_AFTER {
            return None;
        }
        let mut targets = targets;
        let place = targets.position(|target| hash_of(target) == answered.target)?;
        let cached = answered.cached;
        Some(Warm { place, cached })
    }

    fn remember(&self, conversation: Conversation, answered: Answered) {
        let mut halves = self.halves.lock();
        if halves.young.len() >= REMEMBERED && !halves.young.contains_key(&conversation) {
            halves.old = std::mem::take(&mut halves.young);
        }
        halves.young.insert(conversation, answered);
    }
}

fn hash_of(target: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    hasher.finish()
}

/// A turn of a conversation that is being answered; tells where once it is.
#[derive(Clone, Debug)]
pub struct Turn {
    conversations: Arc<Conversations>,
    conversation: Conversation,
}

impl Turn {
    pub(super) fn new(conversations: &Arc<Conversations>, conversation: Conversation) -> Self {
        Self {
            conversations: Arc::clone(conversations),
            conversation,
        }
    }

    /// This target has answered it, with this usage.
    pub fn answered(&self, target: &str, price: Option<Price>, usage: &TokenUsage, now: Instant) {
        self.conversations.remember(
            self.conversation,
            Answered {
                target: hash_of(target),
                cached: expected_cached(price, usage),
                at: now,
            },
        );
    }
}

/// What the next turn is expected to find in the cache: what this one found and left there. Where the provider counts
/// neither but sells cached tokens for less, it caches by itself.
fn expected_cached(price: Option<Price>, usage: &TokenUsage) -> u64 {
    let counted = usage
        .cache_read
        .unwrap_or(0)
        .saturating_add(usage.cache_write.unwrap_or(0));
    let input = usage.input.unwrap_or(0);
    let caches_by_itself = price.is_some_and(|price| price.cache_read < price.input);
    if counted == 0 && caches_by_itself && input >= SHORTEST_CACHED {
        return input;
    }
    counted
}

/// What a move costs: the tokens that the cache would have held, at the full price.
pub(super) fn loss(price: Option<Price>, cached: u64) -> NanoUsd {
    let Some(price) = price else {
        return NanoUsd::ZERO;
    };
    let read_from = |cache_read: u64| TokenUsage {
        input: Some(cached),
        cache_read: Some(cache_read),
        ..TokenUsage::default()
    };
    let full = catalog::cost(&price, &read_from(0)).as_nanos();
    let warm = catalog::cost(&price, &read_from(cached)).as_nanos();
    NanoUsd::new(full.saturating_sub(warm))
}

/// What is weighed when the strategy would leave a warm target for another.
#[derive(Debug)]
pub(super) struct Weighing<'a> {
    pub(super) strategy: Strategy,
    pub(super) warm: &'a Candidate,
    pub(super) other: &'a Candidate,
    /// What the move costs.
    pub(super) loss: NanoUsd,
    pub(super) max_loss: NanoUsd,
}

impl Weighing<'_> {
    /// Whether the warm target is left.
    pub(super) fn moves(&self) -> bool {
        // A failure always moves on: its breaker or its rest says so.
        if self.warm.readiness == Readiness::Resting {
            return true;
        }
        self.loss <= self.max_loss && self.gains()
    }

    fn gains(&self) -> bool {
        let (warm, other) = (&self.warm.load, &self.other.load);
        match self.strategy {
            // Neither load nor speed: weights are held by new conversations.
            Strategy::Ordered | Strategy::Weighted => false,
            Strategy::LeastBusy => warm.busy / 2 > other.busy && warm.busy - other.busy >= FEWER,
            Strategy::Fastest => match (warm.pace, other.pace) {
                (Some(warm), Some(other)) => warm / 2 > other && warm - other >= SOONER,
                _ => false,
            },
            // The price of the warm one is that with its cache.
            Strategy::Cheapest => match (self.warm.price, self.other.price) {
                (Some(warm), Some(other)) => warm.saturating_sub(self.loss.as_nanos()) > other,
                _ => false,
            },
        }
    }
}

/// What a call costs at a target, as far as can be said before it: a token is about four bytes, and an answer as long
/// as most are.
pub(super) fn estimate(target: &Target, call: &ModelCall) -> Option<NanoUsd> {
    const USUAL_ANSWER: u64 = 500;
    let usage = TokenUsage {
        input: Some(call.raw.len() as u64 / 4),
        output: Some(
            call.scan
                .max_output
                .unwrap_or(USUAL_ANSWER)
                .min(USUAL_ANSWER),
        ),
        ..TokenUsage::default()
    };
    Some(catalog::cost(&target.price?, &usage))
}

#[cfg(test)]
mod tests {
    use resilience::balance::Reading;
    use types::{Clock, ManualClock};

    use super::*;

    const DOLLARS: fn(&str) -> catalog::Rate =
        |text| catalog::Rate::parse_per_million(text).unwrap();

    fn price() -> Price {
        Price {
            input: DOLLARS("2"),
            output: DOLLARS("8"),
            cache_read: DOLLARS("0.5"),
            cache_write: DOLLARS("2"),
        }
    }

    fn usage(input: u64, cache_read: Option<u64>) -> TokenUsage {
        TokenUsage {
            input: Some(input),
            cache_read,
            ..TokenUsage::default()
        }
    }

    #[test]
    fn a_conversation_is_recalled_at_its_target_for_an_hour() {
        let clock = ManualClock::default();
        let conversations = Arc::new(Conversations::default());
        let turn = Turn::new(&conversations, Conversation(7));
        turn.answered(
            "b/m",
            Some(price()),
            &usage(5_000, Some(4_000)),
            clock.now(),
        );
        let recall = |targets: &[&'static str]| {
            conversations.recall(Conversation(7), targets.iter().copied(), clock.now())
        };
        let warm = Warm {
            place: 1,
            cached: 4_000,
        };
        assert_eq!(recall(&["a/m", "b/m"]), Some(warm));
        assert_eq!(recall(&["a/m"]), None, "no longer a target");
        assert_eq!(
            conversations.recall(Conversation(8), ["b/m"].into_iter(), clock.now()),
            None
        );
        clock.advance(COLD_AFTER);
        assert_eq!(recall(&["a/m", "b/m"]), None);
    }

    #[test]
    fn the_number_of_conversations_is_bounded_and_the_younger_ones_are_kept() {
        let clock = ManualClock::default();
        let conversations = Arc::new(Conversations::default());
        let many = u64::try_from(REMEMBERED).unwrap() * 3;
        for number in 0..many {
            Turn::new(&conversations, Conversation(number)).answered(
                "a/m",
                None,
                &usage(1, None),
                clock.now(),
            );
        }
        let halves = conversations.halves.lock();
        assert!(halves.young.len() + halves.old.len() <= REMEMBERED * 2);
        drop(halves);
        let recall =
            |number| conversations.recall(Conversation(number), ["a/m"].into_iter(), clock.now());
        assert!(recall(many - 1).is_some() && recall(0).is_none());
    }

    #[test]
    fn what_a_move_costs_is_the_cached_part_at_the_full_price() {
        // 10,000 tokens at $2 and at $0.5 a million.
        assert_eq!(loss(Some(price()), 10_000), NanoUsd::new(15_000_000));
        assert_eq!(loss(None, 10_000), NanoUsd::ZERO);
        assert_eq!(expected_cached(Some(price()), &usage(5_000, None)), 5_000);
        assert_eq!(expected_cached(Some(price()), &usage(500, None)), 0);
        assert_eq!(expected_cached(None, &usage(5_000, None)), 0);
        assert_eq!(
            expected_cached(Some(price()), &usage(5_000, Some(3_000))),
            3_000
        );
    }

    fn candidate(busy: u32, pace: Option<u64>, price: Option<u64>) -> Candidate {
        Candidate {
            load: Reading {
                busy,
                pace: pace.map(Duration::from_millis),
                ..Reading::default()
            },
            price,
            ..Candidate::unknown(Readiness::Ready, 1)
        }
    }

    #[test]
    fn a_warm_target_is_left_only_where_the_gain_is_worth_it() {
        let cent = NanoUsd::new(10_000_000);
        let moves = |strategy, warm, other, loss| {
            Weighing {
                strategy,
                warm: &warm,
                other: &other,
                loss,
                max_loss: cent,
            }
            .moves()
        };
        let busy = |busy| candidate(busy, None, None);
        let paced = |pace| candidate(0, Some(pace), None);
        let priced = |price| candidate(0, None, Some(price));
        let more = NanoUsd::new(cent.as_nanos() + 1);
        use Strategy::{Cheapest, Fastest, LeastBusy, Weighted};
        assert!(moves(LeastBusy, busy(20), busy(5), cent));
        assert!(!moves(LeastBusy, busy(20), busy(5), more), "too dear");
        assert!(!moves(LeastBusy, busy(20), busy(12), cent), "no gain");
        assert!(!moves(LeastBusy, busy(3), busy(0), cent), "no gain");
        assert!(moves(Fastest, paced(3_000), paced(900), cent));
        assert!(!moves(Fastest, paced(600), paced(200), cent));
        assert!(!moves(Fastest, paced(3_000), busy(0), cent), "unknown");
        assert!(moves(
            Cheapest,
            priced(90_000_000),
            priced(70_000_000),
            cent
        ));
        assert!(!moves(
            Cheapest,
            priced(90_000_000),
            priced(85_000_000),
            cent
        ));
        assert!(!moves(Weighted, busy(90), busy(0), NanoUsd::ZERO));
        let mut failed = busy(0);
        failed.readiness = Readiness::Resting;
        assert!(
            moves(Weighted, failed, busy(0), more),
            "a failure always moves on"
        );
    }

    #[test]
    fn chances_of_a_conversation_are_its_own_and_stay() {
        for number in 0..100 {
            let chance = Conversation(number).chance("a/m");
            assert!((0.0..1.0).contains(&chance));
            assert!((chance - Conversation(number).chance("a/m")).abs() < f64::EPSILON);
        }
        assert!((Conversation(1).chance("a/m") - Conversation(1).chance("b/m")).abs() > 0.0);
    }
}
