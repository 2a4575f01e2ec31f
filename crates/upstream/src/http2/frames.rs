//! What an HTTP/2 peer's frames say that the library keeps to itself: the last stream that it has processed, and how it
//! began to speak where that is no HTTP/2 at all.

use std::sync::Arc;

use parking_lot::Mutex;

/// The length of a frame's head. Source: RFC 9113, section 4.1.
const HEAD: usize = 9;

const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// So many of the first bytes are kept.
const OPENING: usize = 24;

/// A GOAWAY: streams above the last one were not processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GoAway {
    pub(crate) last: u32,
    pub(crate) reason: u32,
}

/// What has been seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    opening: Vec<u8>,
    goaway: Option<GoAway>,
}

impl Seen {
    /// The latest GOAWAY.
    pub(crate) fn goaway(&self) -> Option<GoAway> {
        self.0.lock().goaway
    }

    /// The first bytes, where they are not those of an HTTP/2 server, whose first frame holds its settings.
    pub(crate) fn other_protocol(&self) -> Option<Vec<u8>> {
        let state = self.0.lock();
        let kind = state.opening.get(3);
        let is_other = kind.is_some_and(|kind| *kind != SETTINGS);
        is_other.then(|| state.opening.clone())
    }
}

/// Reads along what the peer sends.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    seen: Seen,
    head: Vec<u8>,
    /// Bytes of the frame's content that are yet to come.
    left: usize,
    /// The content of a GOAWAY, as far as it is read.
    goaway: Option<Vec<u8>>,
}

impl FrameReader {
    pub(crate) fn new(seen: Seen) -> Self {
        Self {
            seen,
            ..Self::default()
        }
    }

    /// The next bytes; true when a GOAWAY is among them.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> bool {
        self.note_opening(bytes);
        let mut is_leaving = false;
        while !bytes.is_empty() {
            if self.left > 0 {
                let (content, rest) = bytes.split_at(self.left.min(bytes.len()));
                self.left -= content.len();
                is_leaving |= self.content(content);
                bytes = rest;
                continue;
            }
            let (more, rest) = bytes.split_at((HEAD - self.head.len()).min(bytes.len()));
            self.head.extend_from_slice(more);
            bytes = rest;
            if let [a, b, c, kind, ..] = *self.head.as_slice()
                && self.head.len() == HEAD
            {
                self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.goaway = (kind == GOAWAY).then(Vec::new);
                self.head.clear();
            }
        }
        is_leaving
    }

    fn note_opening(&self, bytes: &[u8]) {
        // Enough is known once the head is past its third byte; the lock is not taken for every read after that.
        let mut state = self.seen.0.lock();
        let room = OPENING.saturating_sub(state.opening.len());
        state.opening.extend(bytes.iter().take(room));
    }

    fn content(&mut self, content: &[u8]) -> bool {
        let Some(read) = &mut self.goaway else {
            return false;
        };
        read.extend(content.iter().take(8_usize.saturating_sub(read.len())));
        let [a, b, c, d, e, f, g, h] = *read.as_slice() else {
            return false;
        };
        self.seen.0.lock().goaway = Some(GoAway {
            last: u32::from_be_bytes([a & 0x7f, b, c, d]),
            reason: u32::from_be_bytes([e, f, g, h]),
        });
        self.goaway = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        let mut bytes = vec![0, 0, length, kind, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(content);
        bytes
    }

    proptest! {
        /// However the bytes are cut, the GOAWAY is seen, and once.
        #[test]
        fn a_goaway_is_found_between_other_frames(cuts in proptest::collection::vec(1_usize..40, 0..40)) {
            let mut bytes = frame(SETTINGS, &[0, 3, 0, 0, 0, 100]);
            bytes.extend(frame(0, &[7; 30]));
            bytes.extend(frame(GOAWAY, &[0x80, 0, 0, 5, 0, 0, 0, 11, b'c', b'a', b'l', b'm']));
            bytes.extend(frame(6, &[0; 8]));
            let seen = Seen::default();
            let mut reader = FrameReader::new(seen.clone());
            let mut times = 0;
            let mut rest = bytes.as_slice();
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                times += usize::from(reader.feed(now));
                rest = later;
            }
            times += usize::from(reader.feed(rest));
            prop_assert_eq!(times, 1);
            prop_assert_eq!(seen.goaway(), Some(GoAway { last: 5, reason: 11 }));
            prop_assert_eq!(seen.other_protocol(), None);
        }

        #[test]
        fn whatever_comes_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            FrameReader::default().feed(&bytes);
        }
    }

    #[test]
    fn another_protocol_is_told_by_its_first_bytes() {
        let seen = Seen::default();
        FrameReader::new(seen.clone()).feed(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        assert_eq!(
            seen.other_protocol(),
            Some(b"HTTP/1.1 400 Bad Request".to_vec())
        );
    }
}
