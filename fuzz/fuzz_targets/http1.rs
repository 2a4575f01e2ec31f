//! No bytes panic the reader of answers, and an answer is the same in whatever pieces it comes.
#![no_main]

use diagnosis::Fault;
use libfuzzer_sys::fuzz_target;
use http1::{Asked, Parsed, parse_all};

/// What is wrong is compared, not which bytes a fault happens to show.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, asked: Asked) -> Parsed {
    let mut parsed = parse_all(pieces, asked, upstream::MAXIMUM_HEAD);
    match &mut parsed.fault {
        Some(Fault::Framing { offending, .. }) => offending.clear(),
        Some(Fault::NotHttp { first_bytes }) => first_bytes.clear(),
        _ => {}
    }
    parsed
}

fuzz_target!(|input: &[u8]| {
    let Some(([piece, kind], answer)) = input.split_first_chunk::<2>().map(|(a, b)| (*a, b)) else {
        return;
    };
    let asked = if kind % 4 == 0 { Asked::Head } else { Asked::Other };
    let whole = read([answer], asked);
    let cut = read(answer.chunks(usize::from(piece).max(1)), asked);
    assert_eq!(whole, cut);
    // What the head says and what is left over fit what came.
    assert!(whole.body.len() + whole.surplus <= answer.len());
    assert!(!whole.reusable || (whole.fault.is_none() && whole.surplus == 0));
});
