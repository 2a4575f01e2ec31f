//! Bodies: their ends, their breaks, their codings.

use std::io::Write;
use std::time::Duration;

use diagnosis::{Fault, judge};
use upstream::{BodyFault, Outgoing};

use crate::server::{
    IDLE, Server, answer, client, deadline, get, post, read_request, reset, text, wait_for_close,
};

async fn whole(bytes: impl Into<Vec<u8>>, limit: u64) -> Result<Vec<u8>, BodyFault> {
    let server = Server::answering(bytes);
    let request = Outgoing {
        decode: true,
        ..get()
    };
    let mut answered = answer(&client(), &server.destination(), request).await;
    let body = answered.body.read_all(limit, IDLE, deadline(5)).await;
    body.map(|bytes| bytes.to_vec())
}

#[tokio::test]
async fn bodies_end_as_their_framing_says() {
    let large = "x".repeat(300_000);
    let cases = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec(), "hello".to_owned()),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end".to_vec(), "until the end".to_owned()),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nx: y\r\n\r\n".to_vec(),
            "hello".to_owned(),
        ),
        (format!("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{large}").into_bytes(), large.clone()),
        (
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n{large}\r\n0\r\n\r\n").into_bytes(),
            large.clone(),
        ),
        (format!("HTTP/1.1 200 OK\r\n\r\n{large}").into_bytes(), large),
    ];
    for (bytes, wanted) in cases {
        let start = String::from_utf8_lossy(&bytes[..60.min(bytes.len())]).into_owned();
        assert!(
            whole(bytes, 1 << 20).await.unwrap() == wanted.as_bytes(),
            "{start}"
        );
    }
}

#[tokio::test]
async fn broken_bodies_are_told_apart() {
    let cases: [(&[u8], Fault, u64); 5] = [
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
            Fault::BodyTruncated,
            5,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            Fault::BodyTruncated,
            5,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhel",
            Fault::BodyTruncated,
            3,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n",
            Fault::Framing {
                what: "chunk longer than its size",
                offending: b"lo\r\n".to_vec(),
            },
            3,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nhello",
            Fault::Framing {
                what: "chunk size",
                offending: b"ZZ\r\nhello".to_vec(),
            },
            0,
        ),
    ];
    for (bytes, fault, received) in cases {
        let broken = whole(bytes, 100).await.unwrap_err();
        assert_eq!(
            (broken.fault, broken.received),
            (fault, received),
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[tokio::test]
async fn a_reset_in_the_middle_is_no_end() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let server = Server::once(move |mut stream| {
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").unwrap();
        gone.recv().unwrap();
        reset(stream);
    });
    let mut answered = answer(&client(), &server.destination(), get()).await;
    assert_eq!(
        answered
            .body
            .next(IDLE, deadline(5))
            .await
            .unwrap()
            .unwrap(),
        "hello"
    );
    go.send(()).unwrap();
    let broken = answered
        .body
        .next(IDLE, deadline(5))
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(broken.fault, Fault::Reset);
    let mut evidence = answered.evidence;
    broken.complete(&mut evidence);
    evidence.head = Some(upstream::head_facts(answered.status, &answered.headers, 0));
    assert_eq!(judge(&evidence).code.as_str(), "response_reset");
    assert!(
        answered.body.next(IDLE, deadline(5)).await.is_none(),
        "an error is the last thing"
    );
}

#[tokio::test]
async fn silence_is_limited_and_goes_on_counting_when_a_read_is_dropped() {
    let server = Server::once(|mut stream| {
        read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
            .unwrap();
        wait_for_close(&mut stream);
    });
    let mut answered = answer(&client(), &server.destination(), get()).await;
    let idle = Duration::from_millis(120);
    assert_eq!(
        answered
            .body
            .next(idle, deadline(5))
            .await
            .unwrap()
            .unwrap(),
        "hello"
    );
    let mut dropped = 0;
    let broken = loop {
        let next = answered.body.next(idle, deadline(5));
        match tokio::time::timeout(Duration::from_millis(20), next).await {
            Ok(outcome) => break outcome.unwrap().unwrap_err(),
            Err(_) => dropped += 1,
        }
    };
    assert!(dropped >= 1, "{dropped}");
    assert_eq!(broken.fault, Fault::IdleTimeout);
    assert_eq!(broken.limit.unwrap().name, "idle");
}

#[tokio::test]
async fn the_deadline_ends_a_body_too() {
    let server = Server::once(|mut stream| {
        read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
            .unwrap();
        wait_for_close(&mut stream);
    });
    let mut answered = answer(&client(), &server.destination(), get()).await;
    let broken = answered
        .body
        .read_all(100, IDLE, deadline(0))
        .await
        .unwrap_err();
    assert_eq!((broken.fault, broken.received), (Fault::Deadline, 5));
}

#[tokio::test]
async fn a_body_is_held_up_to_its_limit() {
    let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world";
    assert_eq!(
        whole(*announced, 10).await.unwrap_err().fault,
        Fault::BodyTooLarge { limit: 10 }
    );
    assert_eq!(whole(*announced, 11).await.unwrap(), b"hello world");
    let open = b"HTTP/1.1 200 OK\r\n\r\nhello world";
    assert_eq!(
        whole(*open, 10).await.unwrap_err().fault,
        Fault::BodyTooLarge { limit: 10 }
    );
}

#[tokio::test]
async fn trailers_are_kept() {
    let server = Server::answering(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
    let mut answered = answer(&client(), &server.destination(), get()).await;
    text(&mut answered).await;
    assert_eq!(answered.body.trailers().unwrap()["x-sum"], "7");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn raw(bytes: &[u8]) -> Vec<u8> {
    let mut encoder =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 5, 20);
    encoder.write_all(bytes).unwrap();
    drop(encoder);
    out
}

fn encoded(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

#[tokio::test]
async fn codings_are_undone() {
    let plain = "a sentence that repeats itself. "
        .repeat(20_000)
        .into_bytes();
    let two_members = [gzip(&plain), gzip(b"end")].concat();
    let padded = [gzip(&plain), vec![0; 700]].concat();
    let cases = [
        ("gzip", gzip(&plain), plain.clone()),
        ("gzip", padded, plain.clone()),
        ("x-gzip", two_members, [plain.as_slice(), b"end"].concat()),
        ("deflate", zlib(&plain), plain.clone()),
        ("deflate", raw(&plain), plain.clone()),
        ("br", brotli(&plain), plain.clone()),
        ("identity", b"as it is".to_vec(), b"as it is".to_vec()),
        ("gzip", Vec::new(), Vec::new()),
    ];
    for (coding, body, wanted) in cases {
        assert!(
            whole(encoded(coding, &body), 1 << 20).await.unwrap() == wanted,
            "{coding}"
        );
    }
}

#[tokio::test]
async fn a_coding_that_does_not_decode_is_named() {
    let cut = gzip(&b"some text that is long enough".repeat(50));
    let cut = &cut[..cut.len() - 9];
    let mut wrong_sum = gzip(b"some text");
    let place = wrong_sum.len() - 6;
    wrong_sum[place] ^= 0xff;
    let after_its_end = [gzip(b"some text"), b"more".to_vec()].concat();
    let after_padding = [gzip(b"some text"), vec![0, 0], gzip(b"more")].concat();
    let short_br = brotli(&b"some text".repeat(100));
    let cases: [(&str, &[u8]); 8] = [
        ("gzip", b"no gzip at all"),
        ("gzip", &after_its_end),
        ("gzip", &after_padding),
        ("gzip", cut),
        ("gzip", &wrong_sum),
        ("deflate", b"\x78\x9cgarbage"),
        ("br", b"\xff\xff\xff\xff\xff"),
        ("br", &short_br[..short_br.len() - 2]),
    ];
    for (coding, body) in cases {
        let broken = whole(encoded(coding, body), 1 << 20).await.unwrap_err();
        assert!(
            matches!(&broken.fault, Fault::Decode { encoding, .. } if encoding == coding),
            "{coding}: {broken:?}"
        );
    }
}

#[tokio::test]
async fn a_coding_nobody_asked_for_fails_before_the_body() {
    for coding in ["zstd", "gzip, br"] {
        let server = Server::answering(encoded(coding, b"x"));
        let request = Outgoing {
            decode: true,
            ..post(b"{}")
        };
        let evidence = client()
            .send(&server.destination(), request, &crate::server::timers())
            .await
            .unwrap_err();
        assert!(
            matches!(evidence.fault, Some(Fault::Decode { .. })),
            "{coding}"
        );
        assert_eq!(evidence.status(), Some(200));
        assert_eq!(judge(&evidence).code.as_str(), "decode_error");
    }
}

#[tokio::test]
async fn a_bomb_is_stopped_at_the_limit() {
    let bomb = gzip(&vec![0u8; 64 << 20]);
    assert!(bomb.len() < 1 << 18);
    let stopped = whole(encoded("gzip", &bomb), 1 << 20).await.unwrap_err();
    assert_eq!(stopped.fault, Fault::BodyTooLarge { limit: 1 << 20 });
    let bomb = brotli(&vec![0u8; 64 << 20]);
    let stopped = whole(encoded("br", &bomb), 1 << 20).await.unwrap_err();
    assert_eq!(stopped.fault, Fault::BodyTooLarge { limit: 1 << 20 });
}

#[tokio::test]
async fn an_encoded_stream_comes_piece_by_piece() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let server = Server::once(move |mut stream| {
        read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
            .unwrap();
        let mut encoder = flate2::write::GzEncoder::new(stream, flate2::Compression::default());
        for event in ["data: 1\n\n", "data: 2\n\n"] {
            encoder.write_all(event.as_bytes()).unwrap();
            encoder.flush().unwrap();
            gone.recv().unwrap();
        }
        encoder.finish().unwrap();
    });
    let request = Outgoing {
        decode: true,
        ..get()
    };
    let mut answered = answer(&client(), &server.destination(), request).await;
    assert!(!answered.headers.contains("content-encoding"));
    for wanted in ["data: 1\n\n", "data: 2\n\n"] {
        assert_eq!(
            answered
                .body
                .next(IDLE, deadline(5))
                .await
                .unwrap()
                .unwrap(),
            wanted
        );
        go.send(()).unwrap();
    }
    assert!(answered.body.next(IDLE, deadline(5)).await.is_none());
    assert!(answered.body.is_finished());
}
