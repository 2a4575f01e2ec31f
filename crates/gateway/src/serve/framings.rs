//! Sees in a head's raw bytes whether it announces its body in both ways, by length and in chunks: two readers would
//! then see two requests. hyper takes the chunks and drops the length, so nobody behind it can tell.

use memchr::memchr;

const LENGTH: &[u8] = b"content-length:";
const CODING: &[u8] = b"transfer-encoding:";

/// The scan of one head, fed as its bytes come.
#[derive(Debug, Default)]
pub(super) struct Framings {
    /// The beginning of the line that is not yet whole, as far as a name needs.
    begun: Vec<u8>,
    has_length: bool,
    has_coding: bool,
    is_over: bool,
}

impl Framings {
    /// A new head begins.
    pub(super) fn reset(&mut self) {
        self.begun.clear();
        (self.has_length, self.has_coding, self.is_over) = (false, false, false);
    }

    /// Whether both were seen.
    pub(super) fn are_both(&self) -> bool {
        self.has_length && self.has_coding
    }

    /// The next bytes of the connection.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !self.is_over {
            let Some(end) = memchr(b'\n', bytes) else {
                let room = CODING.len().saturating_sub(self.begun.len());
                self.begun.extend(bytes.iter().take(room));
                return;
            };
            let (line, rest) = bytes.split_at(end);
            if self.begun.is_empty() {
                self.line(line);
            } else {
                let mut begun = std::mem::take(&mut self.begun);
                begun.extend(line.iter().take(CODING.len()));
                self.line(&begun);
            }
            bytes = rest.get(1..).unwrap_or_default();
        }
    }

    fn line(&mut self, line: &[u8]) {
        let names = |name: &[u8]| {
            line.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        match line {
            [] | [b'\r'] => self.is_over = true,
            [b'c' | b'C', ..] => self.has_length |= names(LENGTH),
            [b't' | b'T', ..] => self.has_coding |= names(CODING),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &[u8] =
        b"POST / HTTP/1.1\r\nHost: a\r\ncontent-LENGTH: 3\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn both_are_seen_however_the_bytes_are_cut() {
        for cut in 0..BOTH.len() {
            let mut framings = Framings::default();
            framings.feed(&BOTH[..cut]);
            framings.feed(&BOTH[cut..]);
            assert!(framings.are_both(), "cut at {cut}");
        }
        let mut framings = Framings::default();
        BOTH.iter().for_each(|byte| framings.feed(&[*byte]));
        assert!(framings.are_both());
    }

    #[test]
    fn a_body_is_no_head_and_one_framing_is_not_both() {
        let mut framings = Framings::default();
        framings.feed(
            b"POST / HTTP/1.1\r\ncontent-length: 30\r\n\r\ntransfer-encoding: chunked\r\n\r\n",
        );
        assert!(!framings.are_both());
        framings.reset();
        framings
            .feed(b"GET / HTTP/1.1\r\nx-content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n");
        assert!(!framings.are_both());
    }
}
