//! Events do not depend on how their bytes were cut, and no byte is lost between them.
#![no_main]

use bytes::Bytes;
use dialect::sse::{Fields, Framer};
use libfuzzer_sys::fuzz_target;

/// The events of a stream that came in pieces of this length, without the ends of lines around them.
fn events(stream: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let mut framer = Framer::default();
    let mut found = Vec::new();
    for bytes in stream.chunks(piece) {
        framer.push(Bytes::copy_from_slice(bytes));
        while let Ok(Some(event)) = framer.next() {
            found.push(event);
        }
    }
    found.extend(framer.rest());
    assert_eq!(found.concat(), stream);
    for event in &found {
        let _ = Fields::read(event);
    }
    let trimmed = found.iter().map(|event| event.trim_ascii().to_vec());
    trimmed.filter(|event| !event.is_empty()).collect()
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, stream)) = input.split_first() else {
        return;
    };
    assert_eq!(
        events(stream, stream.len().max(1)),
        events(stream, usize::from(*piece).max(1))
    );
});
