//! Numbers as digits, without the machinery of formatting.

/// Appends the digits of a number.
pub fn write_decimal(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    let mut rest = value;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        start -= 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_everywhere() {
        for value in [0, 7, 10, 99, 100, 65_536, u64::MAX] {
            let mut out = b"n".to_vec();
            write_decimal(value, &mut out);
            assert_eq!(out, format!("n{value}").into_bytes());
        }
    }
}
