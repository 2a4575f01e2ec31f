//! No bytes panic a reader of streams, their cuts do not matter, and only a stream that ended is closed.
#![no_main]

use bytes::Bytes;
use dialect::{Dialect, Event, ReplyFrame, StreamDecoder, StreamEncoder, StreamFault, Tap};
use libfuzzer_sys::fuzz_target;

fn events(dialect: Dialect, stream: &[u8], piece: usize) -> (Vec<Event>, Result<(), StreamFault>) {
    let mut decoder = StreamDecoder::new(dialect);
    let mut out = Vec::new();
    let pushed = stream
        .chunks(piece)
        .try_for_each(|bytes| decoder.push(bytes, &mut out));
    let result = pushed.and_then(|()| decoder.finish(&mut out));
    (out, result)
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, stream)) = input.split_first() else {
        return;
    };
    for dialect in Dialect::ALL {
        let (events, result) = {
            let whole = events(*dialect, stream, stream.len().max(1));
            assert_eq!(whole, events(*dialect, stream, usize::from(*piece).max(1)));
            whole
        };
        let mut encoder = StreamEncoder::new(Dialect::OpenaiChat, ReplyFrame::default());
        let mut written = Vec::new();
        for event in &events {
            encoder.encode(event, &mut written);
        }
        encoder.finish(&mut written);
        assert_eq!(result.is_ok(), written.ends_with(b"data: [DONE]\n\n"));
        let mut tap = Tap::new(*dialect, true);
        let mut items = Vec::new();
        for bytes in stream.chunks(usize::from(*piece).max(1)) {
            if tap.push(Bytes::copy_from_slice(bytes), &mut items).is_err() {
                return;
            }
        }
        let _ = tap.finish(&mut items);
    }
});
