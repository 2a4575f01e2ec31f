//! Ids of tool calls. Every provider has its own alphabet, and a call and its result must agree in it; so foreign ids
//! are mapped by a fixed function, which needs no memory and survives a switch of providers.

use std::borrow::Cow;

/// At most 40 characters. Source: OpenAI's API, `tool_calls[].id`, as its 400 says, seen 2026-11.
pub(crate) fn for_openai(id: &str) -> Cow<'_, str> {
    if (1..=40).contains(&id.len()) {
        Cow::Borrowed(id)
    } else {
        Cow::Owned(mapped("call_", id, 24))
    }
}

/// `^[a-zA-Z0-9_-]+$`. Source: Anthropic's API, `tool_use.id`, as its 400 says, seen 2026-11.
pub(crate) fn for_anthropic(id: &str) -> Cow<'_, str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let good = !id.is_empty() && id.len() <= 64 && id.bytes().all(fits);
    if good {
        Cow::Borrowed(id)
    } else {
        Cow::Owned(mapped("toolu_", id, 22))
    }
}

/// `^[a-zA-Z0-9]{9}$`. Source: Mistral's API, `tool_calls[].id`, as its 422 says, seen 2026-11.
pub(crate) fn for_mistral(id: &str) -> Cow<'_, str> {
    let good = id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if good {
        Cow::Borrowed(id)
    } else {
        Cow::Owned(mapped("", id, 9))
    }
}

/// An id for a call that came without one: the same for the same place in the same answer.
pub(crate) fn made_up(answer: &str, choice: u32, call: u32, name: &str) -> String {
    mapped("call_", &format!("{answer}/{choice}/{call}/{name}"), 24)
}

fn mapped(prefix: &str, id: &str, length: usize) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = String::with_capacity(prefix.len() + length);
    text.push_str(prefix);
    let mut state = hash(id);
    for _ in 0..length {
        let digit = usize::try_from(state % 62).unwrap_or(0);
        text.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'0')));
        state /= 62;
        if state == 0 {
            state = hash(&text);
        }
    }
    text
}

/// FNV-1a in 128 bits: fixed for ever, unlike the standard library's hashers.
fn hash(text: &str) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mixed = text.bytes().fold(OFFSET, |state, byte| {
        (state ^ u128::from(byte)).wrapping_mul(PRIME)
    });
    // The low digits are taken first, and FNV mixes the high bits of short texts badly: fold them in.
    (mixed ^ (mixed >> 64)).wrapping_mul(PRIME)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Item 10: each provider's alphabet and length, and the same id for the call and its result.
    #[test]
    fn foreign_ids_fit_their_provider_and_differ() {
        let ids: Vec<String> = (0..10_000)
            .map(|n| format!("call_{n}"))
            .chain(["".into(), "ü/..:".into(), "x".repeat(300)])
            .collect();
        let mut seen = HashSet::new();
        for id in &ids {
            let mistral = for_mistral(id);
            assert!(
                mistral.len() == 9 && mistral.bytes().all(|byte| byte.is_ascii_alphanumeric()),
                "{mistral}"
            );
            assert_eq!(for_mistral(&mistral), mistral, "a mapped id is left alone");
            let anthropic = for_anthropic(id);
            assert!(
                anthropic
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
            );
            assert!((1..=40).contains(&for_openai(id).len()));
            assert!(seen.insert(mistral.into_owned()), "{id}");
        }
        assert_eq!(for_anthropic("toolu_01A-b"), "toolu_01A-b");
        assert_eq!(for_mistral("D681PevKs"), "D681PevKs");
    }

    #[test]
    fn made_up_ids_are_stable_and_tell_places_apart() {
        assert_eq!(made_up("r", 0, 1, "f"), made_up("r", 0, 1, "f"));
        let places = [
            ("r", 0, 0, "f"),
            ("r", 0, 1, "f"),
            ("s", 0, 0, "f"),
            ("r", 1, 0, "f"),
        ];
        let ids: HashSet<String> = places
            .iter()
            .map(|(a, c, n, f)| made_up(a, *c, *n, f))
            .collect();
        assert_eq!(ids.len(), places.len());
    }
}
