//! Virtual keys: `sk-gg-<env>-<43 base62><6 checksum>`, made, checked and hashed.
//!
//! The checksum tells a mistyped key from an unknown one without asking anyone; only the SHA-256 is ever stored.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use types::Secret;

/// What every virtual key begins with.
pub const PREFIX: &str = "sk-gg-";

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_DIGITS: usize = 43;
const CHECK_DIGITS: usize = 6;

/// What a key is for, as its prefix says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `dev`: made for one machine.
    Dev,
    /// `live`: made for a service.
    Live,
}

impl Purpose {
    /// As it stands in the key.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Live => "live",
        }
    }
}

/// The system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct NoRandomness;

/// A new key with 256 bits of chance.
///
/// # Errors
/// When the system gives no random bytes.
pub fn generate(purpose: Purpose) -> Result<Secret, NoRandomness> {
    let mut text = format!("{PREFIX}{}-", purpose.as_str());
    let wanted = text.len() + RANDOM_DIGITS;
    let random = SystemRandom::new();
    while text.len() < wanted {
        let mut bytes = [0_u8; 64];
        random.fill(&mut bytes).map_err(|_| NoRandomness)?;
        for byte in bytes {
            // 248 is the greatest multiple of 62 in a byte: beyond it a remainder would favour some digits.
            if byte < 248 && text.len() < wanted {
                text.push(digit(u32::from(byte) % 62));
            }
        }
    }
    let check = checksum(&text);
    text.push_str(&check);
    Ok(Secret::new(text))
}

/// Whether a text has a key's form and its checksum is right; says nothing of whether anyone knows the key.
#[must_use]
pub fn is_well_formed(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(PREFIX) else {
        return false;
    };
    let Some((purpose, digits)) = rest.split_once('-') else {
        return false;
    };
    if !matches!(purpose, "dev" | "live")
        || digits.len() != RANDOM_DIGITS + CHECK_DIGITS
        || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return false;
    }
    text.split_at_checked(text.len() - CHECK_DIGITS)
        .is_some_and(|(start, check)| checksum(start) == check)
}

/// What may be shown of a key: `sk-gg-dev-7Kq3…e2Lp`; `…` for what is no key of ours.
#[must_use]
pub fn display(text: &str) -> String {
    if !is_well_formed(text) {
        return "…".to_owned();
    }
    let shown: String = text
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('-'))
        .map(|(purpose, digits)| {
            let start: String = digits.chars().take(4).collect();
            let end: String = digits.chars().skip(digits.len() - 4).collect();
            format!("{PREFIX}{purpose}-{start}…{end}")
        })
        .unwrap_or_default();
    shown
}

/// The SHA-256 of a key's text: what is stored and looked up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of a presented key.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        let mut bytes = [0; 32];
        for (slot, byte) in bytes.iter_mut().zip(digest.as_ref()) {
            *slot = *byte;
        }
        Self(bytes)
    }

    /// Takes stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits, `sha256:` before them or not.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        let mut rest = digits.chars();
        for slot in &mut bytes {
            let high = rest.next()?.to_digit(16)?;
            let low = rest.next()?.to_digit(16)?;
            *slot = u8::try_from(high * 16 + low).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start: String = self.to_string().chars().take(15).collect();
        write!(f, "KeyHash({start}…)")
    }
}

/// Whether a key with these models may use the one asked for, an alias or `provider/model`.
///
/// `None` allows all; `*` at the end of an entry matches any rest.
#[must_use]
pub fn may_use(models: Option<&[String]>, model: &str) -> bool {
    let matches = |allowed: &String| match allowed.strip_suffix('*') {
        Some(start) => model.starts_with(start),
        None => allowed == model,
    };
    models.is_none_or(|models| models.iter().any(matches))
}

fn digit(value: u32) -> char {
    let at = usize::try_from(value).unwrap_or(0);
    DIGITS.get(at).copied().map_or('0', char::from)
}

/// CRC32 of what precedes it, in base 62, padded to six digits.
fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = ['0'; CHECK_DIGITS];
    for slot in digits.iter_mut().rev() {
        *slot = digit(rest % 62);
        rest /= 62;
    }
    digits.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_is_well_formed_and_no_two_are_alike() {
        let one = generate(Purpose::Dev).unwrap();
        let two = generate(Purpose::Live).unwrap();
        assert!(one.reveal().starts_with("sk-gg-dev-"));
        assert_eq!(one.reveal().len(), "sk-gg-dev-".len() + 49);
        assert!(is_well_formed(one.reveal()) && is_well_formed(two.reveal()));
        assert_ne!(one.reveal(), generate(Purpose::Dev).unwrap().reveal());
    }

    #[test]
    fn one_wrong_character_is_noticed() {
        let key = generate(Purpose::Dev).unwrap();
        for at in 10..key.reveal().len() {
            let mut bytes = key.reveal().as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            assert!(!is_well_formed(std::str::from_utf8(&bytes).unwrap()));
        }
        for text in ["", "sk-gg-", "sk-gg-dev", "sk-gg-dev-é", "sk-proj-abc"] {
            assert!(!is_well_formed(text), "{text}");
        }
    }

    #[test]
    fn a_key_is_shown_by_its_ends_only() {
        let key = generate(Purpose::Live).unwrap();
        let shown = display(key.reveal());
        assert_eq!(
            shown.chars().count(),
            "sk-gg-live-7Kq3…e2Lp".chars().count()
        );
        assert_eq!(display("password"), "…");
    }

    #[test]
    fn a_hash_reads_back_and_is_sha_256() {
        let hash = KeyHash::of("abc");
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert_eq!(KeyHash::parse(text), Some(hash));
        assert_eq!(KeyHash::parse("ba78"), None);
        assert_eq!(KeyHash::parse(&"é".repeat(32)), None);
    }
}
