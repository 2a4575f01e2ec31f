//! Finds out when a head that grows in a buffer is worth parsing, and when it is too long.

use bytes::BytesMut;
use memchr::memchr;

use super::skip;

/// The search for one head. No byte is looked at twice.
#[derive(Debug)]
pub(crate) struct Search {
    limit: usize,
    /// Bytes that were taken off before the head; they count towards the limit, so that a flood of them ends.
    skipped: usize,
    /// Where the search for the blank line goes on.
    scanned: usize,
    /// The length at which an incomplete head is looked at again; doubling keeps the work linear.
    look_at: usize,
}

/// What was skipped exceeds the limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooMuch;

impl Search {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            skipped: 0,
            scanned: 0,
            look_at: 1,
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether a head of so many bytes is too long, with what was skipped before it.
    pub(crate) fn exceeds(&self, length: usize) -> bool {
        self.skipped.saturating_add(length) > self.limit
    }

    /// Whether the parser should look at the buffer now.
    pub(crate) fn is_worth_a_look(&mut self, buffer: &mut BytesMut) -> bool {
        if self.scanned == 0 {
            // Empty lines before a head are left over from an earlier message. Source: RFC 9112, 2.2.
            let blank = buffer
                .iter()
                .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                .count();
            if blank > 0 {
                self.skipped += blank;
                skip(buffer, blank);
            }
        }
        // Most heads come whole at once: the parser finds that out by itself.
        let worth = !buffer.is_empty()
            && (self.exceeds(buffer.len())
                || buffer.len() >= self.look_at
                || self.has_ended(buffer));
        if worth {
            self.look_at = buffer.len().saturating_mul(2);
        }
        worth
    }

    /// A head of so many bytes was none that counts: another follows.
    pub(crate) fn begin_again(&mut self, length: usize) -> Result<(), TooMuch> {
        self.skipped += length;
        self.scanned = 0;
        self.look_at = 1;
        if self.skipped > self.limit {
            return Err(TooMuch);
        }
        Ok(())
    }

    /// Whether the blank line is there.
    fn has_ended(&mut self, buffer: &[u8]) -> bool {
        while let Some(found) = memchr(b'\n', buffer.get(self.scanned..).unwrap_or_default()) {
            let line_end = self.scanned + found;
            match (buffer.get(line_end + 1), buffer.get(line_end + 2)) {
                (Some(b'\n'), _) | (Some(b'\r'), Some(b'\n')) => return true,
                (None, _) | (Some(b'\r'), None) => {
                    self.scanned = line_end;
                    return false;
                }
                _ => self.scanned = line_end + 1,
            }
        }
        self.scanned = buffer.len();
        false
    }
}
