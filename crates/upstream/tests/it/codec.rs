//! The codec's properties: pieces do not matter, and nothing makes it panic.

use http1::{Asked, parse_all};
use proptest::prelude::*;
use upstream::MAXIMUM_HEAD;

use crate::corpus::cases;

/// Pieces of `bytes`, cut at the given places.
fn cut<'b>(bytes: &'b [u8], places: &[prop::sample::Index]) -> Vec<&'b [u8]> {
    let mut cuts: Vec<usize> = places
        .iter()
        .map(|place| place.index(bytes.len() + 1))
        .collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|pair| &bytes[pair[0]..pair[1]])
        .collect()
}

/// The same answer whole and in pieces, but for which bytes a fault happens to show.
fn check(bytes: &[u8], pieces: Vec<&[u8]>, asked: Asked, limit: usize) {
    let blur = |mut parsed: http1::Parsed| {
        if let Some(diagnosis::Fault::Framing { offending, .. }) = &mut parsed.fault {
            offending.clear();
        }
        if let Some(diagnosis::Fault::NotHttp { first_bytes }) = &mut parsed.fault {
            first_bytes.clear();
        }
        parsed
    };
    let whole = blur(parse_all([bytes], asked, limit));
    let split = blur(parse_all(pieces, asked, limit));
    assert_eq!(whole, split, "{:?}", String::from_utf8_lossy(bytes));
}

#[test]
fn every_odd_answer_is_read_alike_byte_by_byte() {
    for case in cases() {
        let bytes = case.bytes.chunks(1).collect();
        check(&case.bytes, bytes, case.asked, MAXIMUM_HEAD);
    }
}

#[test]
fn every_odd_answer_is_read_alike_in_two_pieces() {
    for case in cases().iter().filter(|case| case.bytes.len() < 500) {
        for place in 0..=case.bytes.len() {
            let (one, two) = case.bytes.split_at(place);
            check(&case.bytes, vec![one, two], case.asked, MAXIMUM_HEAD);
        }
    }
}

/// Text that looks like an answer, with odd parts mixed in.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"HTTP/1.1 200 OK\r\n".to_vec()),
        1 => Just(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        1 => Just(b"HTTP/1.0 304 Not Modified\r\n".to_vec()),
        2 => Just(b"Content-Length: 7\r\n".to_vec()),
        3 => Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        1 => Just(b"Connection: close\r\n".to_vec()),
        4 => Just(b"\r\n".to_vec()),
        1 => Just(b"\n".to_vec()),
        3 => Just(b"5\r\nhello\r\n".to_vec()),
        2 => Just(b"0\r\n\r\n".to_vec()),
        1 => Just(b"a;x=y\r\n".to_vec()),
        1 => Just(b"0\r\nX: y\r\n\r\n".to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..12),
        1 => Just(vec![b'z'; 6000]),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// A sound answer of any framing, and its body.
fn sound() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let chunks = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..9000), 0..6);
    (chunks, 0..3usize).prop_map(|(chunks, framing)| {
        let body = chunks.concat();
        let mut bytes = b"HTTP/1.1 200 OK\r\nX-Any: thing\r\n".to_vec();
        match framing {
            0 => bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes()),
            1 => bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n"),
            _ => bytes.extend(b"\r\n"),
        }
        if framing == 1 {
            for chunk in &chunks {
                bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        } else {
            bytes.extend(&body);
        }
        (bytes, body)
    })
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![3 => Just(Asked::Other), 1 => Just(Asked::Head)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_of_anything_like_an_answer_gives_the_same(
        bytes in answers(),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        asked in asked(),
    ) {
        check(&bytes, cut(&bytes, &places), asked, MAXIMUM_HEAD);
    }

    #[test]
    fn any_bytes_at_all_are_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        limit in 0..400usize,
    ) {
        let parsed = parse_all(cut(&bytes, &places), Asked::Other, limit);
        prop_assert!(parsed.status.is_some() || parsed.fault.is_some());
        let mut begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        begun.extend(&bytes);
        check(&begun, cut(&begun, &places), Asked::Other, MAXIMUM_HEAD);
    }

    #[test]
    fn a_sound_answer_is_read_to_its_last_byte(
        (bytes, body) in sound(),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let parsed = parse_all(cut(&bytes, &places), Asked::Other, MAXIMUM_HEAD);
        prop_assert_eq!(parsed.fault, None);
        prop_assert!(parsed.body == body);
    }
}
