//! What the scan takes, `serde_json` takes; and a rewritten body is valid and names the model.
#![no_main]

use bytes::Bytes;
use dialect::splice::{self, Rewrite};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(scan) = splice::scan(body) else { return };
    let body = Bytes::copy_from_slice(body);
    let wanted = Rewrite {
        model: "a \"name\"",
        ask_for_usage: true,
        strip_extensions: true,
    };
    let rewritten = splice::rewrite(&body, &scan, &wanted).concat();
    let again = splice::scan(&rewritten).expect("a rewritten body is valid");
    assert_eq!(again.model(&rewritten).as_deref(), Some(wanted.model));
    assert!(again.wants_usage);
});
