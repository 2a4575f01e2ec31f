//! Which trace a call belongs to, and how its attempts tell it upstream. Nothing is remembered for it: all ids follow from
//! the caller's `traceparent` and from the call's own id.
//!
//! Source: W3C Trace Context, section 3.2, seen 2026-11.

use http::HeaderValue;
use types::CallId;

/// The length of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// Where a call stands in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) trace: u128,
    /// The caller's span.
    pub(super) parent: Option<u64>,
    pub(super) sampled: bool,
    call: u64,
}

/// A `traceparent`, written on the stack.
#[derive(Clone, Copy, Debug)]
pub struct Traceparent([u8; LENGTH]);

impl Traceparent {
    /// The text; always ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Context {
    /// Goes on with the caller's trace, where it has one that can be read; else the call begins one, whose id is the
    /// call's. A caller decides for itself whether its trace is sampled; of the others it is one in so many.
    pub(super) fn of(id: CallId, caller: Option<&HeaderValue>, sample: Sample) -> Self {
        let bits = id.as_u128();
        #[expect(clippy::cast_possible_truncation, reason = "the random half is meant")]
        let call = bits as u64;
        match caller.and_then(|value| parse(value.as_bytes())) {
            Some((trace, parent, flags)) => Self {
                trace,
                parent: Some(parent),
                sampled: flags & 1 == 1,
                call,
            },
            None => Self {
                trace: bits,
                parent: None,
                sampled: sample.takes(call),
                call,
            },
        }
    }

    /// The call's own span; attempts have those of their numbers.
    pub(super) fn span(&self, attempt: u32) -> u64 {
        // The numbers of one call must lie far apart: SplitMix64 mixes any two inputs well.
        let mut mixed = self
            .call
            .wrapping_add(u64::from(attempt).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).max(1)
    }

    /// What an attempt sends upstream.
    pub(super) fn traceparent(&self, attempt: u32) -> Traceparent {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        if let Some(place) = text.get_mut(3..35) {
            hex(place, self.trace);
        }
        if let Some(place) = text.get_mut(36..52) {
            hex(place, u128::from(self.span(attempt)));
        }
        if let Some(place) = text.last_mut() {
            *place += u8::from(self.sampled);
        }
        Traceparent(text)
    }
}

/// Which of the calls that begin a trace are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample(u64);

impl Sample {
    /// A share between 0 and 1.
    pub(super) fn new(share: f64) -> Self {
        const STEPS: f64 = 4_294_967_296.0;
        let steps = (share.clamp(0.0, 1.0) * STEPS).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it lies between 0 and 2^32"
        )]
        Self(steps as u64)
    }

    fn takes(self, call: u64) -> bool {
        call & 0xFFFF_FFFF < self.0
    }
}

/// Trace, parent and flags. Later versions may add to it, but not change these.
pub(super) fn parse(text: &[u8]) -> Option<(u128, u64, u8)> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let mut parts = text.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lower = |part: &str, length: usize| {
        part.len() == length
            && part
                .bytes()
                .all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
    };
    let is_whole = lower(version, 2) && lower(trace, 32) && lower(parent, 16) && lower(flags, 2);
    let is_known = version == "00" && parts.next().is_none();
    if !is_whole || version == "ff" || (version == "00" && !is_known) {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id > 0)?;
    let parent = u64::from_str_radix(parent, 16).ok().filter(|id| *id > 0)?;
    Some((trace, parent, u8::from_str_radix(flags, 16).ok()?))
}

fn hex(place: &mut [u8], mut value: u128) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for digit in place.iter_mut().rev() {
        let index = usize::try_from(value & 15).unwrap_or(0);
        *digit = DIGITS.get(index).copied().unwrap_or(b'0');
        value >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CALLERS: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(caller: Option<&str>, share: f64) -> Context {
        let header = caller.map(|text| HeaderValue::from_str(text).unwrap());
        let id = CallId::parse("req_01K9ZQ7V3M8T2ABCDEFGHJKMNP").unwrap();
        Context::of(id, header.as_ref(), Sample::new(share))
    }

    fn sent(context: &Context, attempt: u32) -> String {
        String::from_utf8(context.traceparent(attempt).as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn the_callers_trace_goes_on_and_the_attempt_is_the_parent() {
        let context = of(Some(CALLERS), 0.0);
        assert_eq!(context.parent, Some(0x00f0_67aa_0ba9_02b7));
        assert!(context.sampled, "the caller decides");
        let text = sent(&context, 1);
        assert!(
            text.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"),
            "{text}"
        );
        assert!(
            text.ends_with("-01") && !text.contains("00f067aa0ba902b7"),
            "{text}"
        );
        let unsampled = of(Some(&CALLERS.replace("-01", "-00")), 1.0);
        assert!(!unsampled.sampled && sent(&unsampled, 1).ends_with("-00"));
    }

    #[test]
    fn without_a_trace_the_call_begins_one_under_its_own_id() {
        let context = of(None, 1.0);
        let id = CallId::parse("req_01K9ZQ7V3M8T2ABCDEFGHJKMNP").unwrap();
        assert_eq!((context.trace, context.parent), (id.as_u128(), None));
        assert!(context.sampled && !of(None, 0.0).sampled);
    }

    #[test]
    fn what_is_no_traceparent_begins_a_new_trace() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(of(Some(text), 1.0).parent, None, "{text}");
        }
        let later = "42-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert!(of(Some(later), 1.0).parent.is_some());
    }

    #[test]
    fn the_share_of_sampled_calls_is_what_was_asked_for() {
        let sample = Sample::new(0.25);
        let taken = (0..100_000).filter(|_| {
            let id = CallId::generate(1_790_000_000_000);
            Context::of(id, None, sample).sampled
        });
        let count = taken.count();
        assert!((23_000..27_000).contains(&count), "{count}");
    }

    proptest! {
        #[test]
        fn whatever_comes_what_is_sent_is_a_traceparent(
            bytes in prop::collection::vec(32_u8..127, 0..80),
            attempt in 0_u32..20,
        ) {
            let header = HeaderValue::from_bytes(&bytes).unwrap();
            let context = Context::of(CallId::generate(1), Some(&header), Sample::new(1.0));
            let sent = context.traceparent(attempt);
            let (trace, parent, flags) = parse(sent.as_bytes()).unwrap();
            prop_assert_eq!((trace, parent), (context.trace, context.span(attempt)));
            prop_assert_eq!(flags, u8::from(context.sampled));
            prop_assert!((0..20).filter(|n| context.span(*n) == parent).count() == 1);
        }
    }
}
