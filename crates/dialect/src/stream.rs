//! Streams, read into events and written from them.

use crate::canonical::Event;
use crate::fault::StreamFault;
use crate::sse::Framer;
use crate::{Dialect, ReplyFrame};

/// Reads a streamed answer, cut anywhere, into events.
#[derive(Debug)]
pub struct StreamDecoder {
    dialect: Dialect,
    framer: Framer,
}

impl StreamDecoder {
    /// A decoder for one stream.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            framer: Framer::default(),
        }
    }

    /// Takes the next bytes. What stands in `out` when this fails was still good.
    ///
    /// # Errors
    /// An event that is malformed, too large, or an error of the provider. The stream is over then.
    pub fn push(&mut self, _bytes: &[u8], _out: &mut Vec<Event>) -> Result<(), StreamFault> {
        Err(StreamFault::Malformed {
            event: 0,
            what: self.dialect.as_str().to_owned(),
        })
    }

    /// The bytes have ended.
    ///
    /// # Errors
    /// The end came before the terminal event.
    pub fn finish(&mut self, _out: &mut Vec<Event>) -> Result<(), StreamFault> {
        self.framer.rest();
        Err(StreamFault::Incomplete)
    }
}

/// Writes events for a client.
#[derive(Debug)]
pub struct StreamEncoder {
    dialect: Dialect,
    frame: ReplyFrame,
}

impl StreamEncoder {
    /// An encoder for one stream.
    #[must_use]
    pub fn new(dialect: Dialect, frame: ReplyFrame) -> Self {
        Self { dialect, frame }
    }

    /// Appends what the event becomes, if anything.
    pub fn encode(&mut self, _event: &Event, _out: &mut Vec<u8>) {}

    /// Appends the closing, if the answer came to its end; nothing otherwise.
    pub fn finish(&mut self, _out: &mut Vec<u8>) {
        let _ = (self.dialect, &self.frame);
    }
}
