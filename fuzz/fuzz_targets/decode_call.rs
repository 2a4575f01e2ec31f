//! No body panics a reader of calls, and what is read can be written for every target.
#![no_main]

use dialect::{Dialect, Encoding, decode_call, encode_call};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let encoding = Encoding {
        model: "m",
        ..Encoding::default()
    };
    for dialect in Dialect::ALL {
        let Ok(call) = decode_call(*dialect, body) else {
            continue;
        };
        for target in Dialect::ALL {
            if let Ok(sent) = encode_call(*target, &call, &encoding) {
                assert!(sent.body.starts_with(b"{"));
            }
        }
        if let Ok(sent) = encode_call(*dialect, &call, &encoding) {
            decode_call(*dialect, &sent.body).expect("what was written can be read");
        }
    }
});
