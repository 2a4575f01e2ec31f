//! Vectors that nobody trained: made from the bytes of a text, the same for the same text.

use base64::Engine;

use crate::json::Json;

/// The number of dimensions when none is asked for, as of `text-embedding-3-small`.
const DIMENSIONS: usize = 1536;
/// The most dimensions that are given.
const MAX_DIMENSIONS: usize = 4096;

/// A vector of length one for a text.
pub(crate) fn vector(text: &str, dimensions: Option<u64>) -> Vec<f32> {
    let wanted = dimensions
        .and_then(|d| usize::try_from(d).ok())
        .unwrap_or(DIMENSIONS);
    let mut state: u32 = text.bytes().fold(2_166_136_261, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(16_777_619)
    });
    let mut raw = Vec::new();
    for _ in 0..wanted.clamp(1, MAX_DIMENSIONS) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let half = u16::try_from(state >> 16).unwrap_or(0);
        raw.push(f32::from(half) / 32_768.0 - 1.0);
    }
    let length = raw
        .iter()
        .map(|x| x * x)
        .sum::<f32>()
        .sqrt()
        .max(f32::MIN_POSITIVE);
    raw.into_iter().map(|x| x / length).collect()
}

/// A vector as JSON: numbers, or little-endian floats in base64.
pub(crate) fn as_json(vector: &[f32], base64: Encoding) -> Json {
    match base64 {
        Encoding::Floats => {
            Json::Array(vector.iter().map(|x| Json::Raw(format!("{x:?}"))).collect())
        }
        Encoding::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            Json::Text(base64::engine::general_purpose::STANDARD.encode(bytes))
        }
    }
}

/// How a vector is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Floats,
    Base64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_has_the_same_vector_of_length_one() {
        let a = vector("hello", Some(8));
        assert_eq!(a, vector("hello", Some(8)));
        assert_ne!(a, vector("hallo", Some(8)));
        let length: f32 = a.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-4);
    }
}
