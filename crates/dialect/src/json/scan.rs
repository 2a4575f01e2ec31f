//! Moves over the characters of a string that need no thought, many bytes at a time.
//!
//! A quote, a backslash and a control character end a run. Where `WIDE` is false, so does what is not ASCII.

/// How many words are looked at one by one before whole blocks are: most strings are short.
const SHORT: usize = 4;

/// The length of the plain ASCII at the start of `bytes`, as far as a short look tells.
#[inline(always)]
pub(super) fn short(bytes: &[u8]) -> usize {
    short_run::<false>(bytes)
}

/// The length of the run of plain characters at the start of `bytes`, which may be short.
pub(super) fn plain<const WIDE: bool>(bytes: &[u8]) -> usize {
    let length = short_run::<WIDE>(bytes);
    if length < SHORT * 8 {
        let rest = bytes.get(length..).unwrap_or_default();
        if rest.first().is_some_and(|byte| is_special::<WIDE>(*byte)) {
            return length;
        }
    }
    length + long_run::<WIDE>(bytes.get(length..).unwrap_or_default())
}

#[inline(always)]
fn short_run<const WIDE: bool>(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let mut length = 0;
    for word in words.iter().take(SHORT) {
        let hits = specials::<WIDE>(*word);
        if hits != 0 {
            return length + first(hits);
        }
        length += 8;
    }
    length
}

/// The same as [`plain`], for a run that is long.
pub(super) fn long_run<const WIDE: bool>(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<64>();
    // Without an early exit inside a block the compiler checks it with vectors.
    let clean = blocks.iter().take_while(|block| {
        !block
            .iter()
            .fold(false, |found, byte| found | is_special::<WIDE>(*byte))
    });
    let mut length = clean.count() * 64;
    let (words, tail) = bytes.get(length..).unwrap_or_default().as_chunks::<8>();
    for word in words {
        let hits = specials::<WIDE>(*word);
        if hits != 0 {
            return length + first(hits);
        }
        length += 8;
    }
    let left = tail.iter().take_while(|byte| !is_special::<WIDE>(**byte));
    length + left.count()
}

#[inline(always)]
fn is_special<const WIDE: bool>(byte: u8) -> bool {
    let outside = if WIDE {
        byte < 0x20
    } else {
        // What is not ASCII is negative.
        byte.cast_signed() < 0x20
    };
    outside | (byte == b'"') | (byte == b'\\')
}

/// The highest bit of each special byte is set in the result; above the first one the bits mean nothing.
#[inline(always)]
fn specials<const WIDE: bool>(bytes: [u8; 8]) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(bytes);
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5c);
    // A byte that is too small borrows from its high bit. Further borrows only travel upwards from such a hit.
    let quotes = quote.wrapping_sub(ONES);
    let backslashes = backslash.wrapping_sub(ONES);
    let controls = word.wrapping_sub(ONES * 0x20);
    let hits = if WIDE {
        (quotes & !quote) | (backslashes & !backslash) | (controls & !word)
    } else {
        quotes | backslashes | controls | word
    };
    hits & HIGHS
}

/// Which byte has the lowest bit that is set.
#[inline(always)]
fn first(hits: u64) -> usize {
    usize::try_from(hits.trailing_zeros() / 8).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One odd byte at each place of a run of any length, with any bytes behind it.
    #[test]
    fn a_run_ends_at_the_first_special_byte_wherever_it_stands() {
        for special in [b'"', b'\\', 0, 0x1f, 0x80, 0xff] {
            for length in 0..200 {
                for behind in [0, 1, 7, 100] {
                    let mut bytes = vec![b' '; length];
                    bytes.push(special);
                    bytes.extend((0..behind).map(|n| [b'"', 0x21, 0x7f, 0x81][n % 4]));
                    assert_eq!(plain::<false>(&bytes), length, "{special} {behind}");
                    assert_eq!(long_run::<false>(&bytes), length, "{special} {behind}");
                    assert!(short(&bytes) <= length);
                    if special < 0x80 {
                        assert_eq!(plain::<true>(&bytes), length, "{special} {behind}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_byte_is_judged_alike_alone_and_in_a_word() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut word = [b'a'; 8];
                word[place] = byte;
                let wide = matches!(byte, b'"' | b'\\' | 0..0x20);
                assert_eq!(specials::<true>(word) != 0, wide, "{byte}");
                assert_eq!(specials::<false>(word) != 0, wide || byte >= 0x80, "{byte}");
                assert_eq!(is_special::<true>(byte), wide);
                assert_eq!(is_special::<false>(byte), wide || byte >= 0x80);
            }
        }
    }
}
