//! No body panics a reader of answers or errors, and both readers of an answer agree that it is one.
#![no_main]

use dialect::{Dialect, ReplyFrame, decode_reply, encode_reply, inspect_reply, read_error};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for dialect in Dialect::ALL {
        let _ = read_error(*dialect, body);
        let _ = inspect_reply(*dialect, body);
        if let Ok(reply) = decode_reply(*dialect, body) {
            let written = encode_reply(Dialect::OpenaiChat, &reply, &ReplyFrame::default());
            inspect_reply(Dialect::OpenaiChat, &written).expect("what was written is an answer");
        }
    }
});
