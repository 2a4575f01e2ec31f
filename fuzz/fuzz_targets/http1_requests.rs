//! No bytes panic the reader of requests, and a connection is the same requests in whatever pieces it comes.
#![no_main]

use bytes::BytesMut;
use http1::{BodyReader, Framing, RequestReader, Step};
use libfuzzer_sys::fuzz_target;

/// What a connection is read as: each request's head and body, and how it ended.
#[derive(Debug, Default, PartialEq)]
struct Read {
    requests: Vec<(String, Vec<u8>)>,
    ended: Option<String>,
    left: Vec<u8>,
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut read = Read::default();
    let mut buffer = BytesMut::new();
    let mut reader = RequestReader::new(32 * 1024);
    let mut body = BodyReader::new(Framing::Nothing);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match body.step(&mut buffer) {
                Err(_) => {
                    read.ended = Some("body".to_owned());
                    return read;
                }
                Ok(Step::Data(data)) => {
                    let (_, bytes) = read.requests.last_mut().expect("a body follows a head");
                    bytes.extend_from_slice(&data);
                    continue;
                }
                Ok(Step::More) => break,
                Ok(Step::Done) => {}
            }
            match reader.advance(&mut buffer) {
                Err(fault) => {
                    read.ended = Some(fault.to_string());
                    return read;
                }
                Ok(None) => break,
                Ok(Some(head)) => {
                    let framed = |wanted: &str| head.headers.iter().filter(|(name, _)| *name == wanted.as_bytes()).count();
                    let (lengths, codings) = (framed("content-length"), framed("transfer-encoding"));
                    // What decides where the next request begins was said in one way only.
                    match head.framing {
                        Framing::Nothing => assert_eq!((lengths, codings), (0, 0)),
                        Framing::Length(_) => assert!(lengths > 0 && codings == 0),
                        Framing::Chunked => assert_eq!((lengths, codings), (0, 1)),
                        Framing::UntilClose => panic!("a request never ends with its connection"),
                    }
                    assert!(framed("host") <= 1);
                    body = BodyReader::new(head.framing);
                    reader = RequestReader::new(32 * 1024);
                    let told = format!("{} {} {:?}", head.method, head.uri, head.headers.to_map());
                    read.requests.push((told, Vec::new()));
                }
            }
        }
    }
    read.left = buffer.to_vec();
    read
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, bytes)) = input.split_first() else {
        return;
    };
    let whole = read([bytes]);
    let cut = read(bytes.chunks(usize::from(*piece).max(1)));
    assert_eq!(whole.requests, cut.requests);
    // A broken head may be told by another of its faults when less of it is there.
    assert_eq!(whole.ended.is_some(), cut.ended.is_some());
    assert_eq!(whole.left, cut.left);
});
