//! What ends an attempt before its head is whole, and what the evidence then says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use diagnosis::{Evidence, Fault, Phase, judge};
use types::{Clock, Deadline, SystemClock};
use upstream::{Destination, Outgoing, Reach, Timers};

use crate::server::{
    Server, answer, client, failure, get, post, read_request, reset, text, timers, wait_for_close,
};

/// The verdict's code, so that the whole way from socket to name is held.
fn code(evidence: &Evidence) -> &'static str {
    judge(evidence).code.as_str()
}

fn short(change: impl FnOnce(&mut Timers)) -> Timers {
    let mut timers = timers();
    change(&mut timers);
    timers
}

const SHORT: Duration = Duration::from_millis(80);

#[tokio::test]
async fn a_port_where_nothing_listens_refuses() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let to = Destination::plain("127.0.0.1", port);
    let evidence = failure(&to, post(b"{}"), &timers()).await;
    assert_eq!(
        (evidence.fault.clone(), evidence.phase),
        (Some(Fault::Refused), Phase::Connect)
    );
    assert_eq!(evidence.addresses.len(), 1);
    assert_eq!(evidence.addresses[0].result, "refused");
    assert_eq!(code(&evidence), "connection_refused");
}

#[tokio::test]
async fn localhost_falls_over_to_the_family_that_listens() {
    let server = Server::answering(crate::server::ok("v4"));
    let to = Destination::plain("localhost", server.address.port());
    let mut answered = answer(&client(), &to, get()).await;
    assert_eq!(text(&mut answered).await, "v4");
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream);
        stream.write_all(&crate::server::ok("v6")).unwrap();
    });
    let to = Destination::plain("localhost", port);
    let mut answered = answer(&client(), &to, get()).await;
    assert_eq!(text(&mut answered).await, "v6");
    assert_eq!(
        answered.evidence.addresses.len(),
        2,
        "{:?}",
        answered.evidence.addresses
    );
    thread.join().unwrap();
}

#[tokio::test]
async fn a_black_hole_times_out_in_connect() {
    // A full accept queue drops further SYNs, as a firewall would.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(
            &"127.0.0.1:0"
                .parse::<std::net::SocketAddr>()
                .unwrap()
                .into(),
        )
        .unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut fillers = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        fillers.push(stream);
    }
    let to = Destination::plain("127.0.0.1", address.port());
    let evidence = failure(&to, post(b"{}"), &short(|t| t.connect = SHORT)).await;
    assert_eq!(evidence.fault, Some(Fault::ConnectTimeout));
    assert_eq!(evidence.limit.unwrap().name, "connect");
    assert_eq!(evidence.addresses[0].result, "no answer");
    assert_eq!(code(&evidence), "connection_timeout");
}

#[tokio::test]
async fn an_address_out_of_reach_is_not_connected_to() {
    let to = Destination::plain("127.0.0.1", 1).with_reach(Reach::Public);
    let evidence = failure(&to, post(b"{}"), &timers()).await;
    assert!(
        matches!(evidence.fault, Some(Fault::Unreachable { .. })),
        "{evidence:?}"
    );
    assert!(evidence.addresses[0].result.contains("not allowed"));
}

/// What a server does, the fault that shows, and the code that it is given.
async fn check(name: &str, act: fn(TcpStream), fault: Fault, wanted: &str) {
    let server = Server::once(act);
    let evidence = failure(&server.destination(), post(b"{\"a\":1}"), &timers()).await;
    assert_eq!(evidence.fault, Some(fault), "{name}");
    assert_eq!(code(&evidence), wanted, "{name}: {evidence:?}");
    assert!(!evidence.reused && evidence.bytes.sent > 0, "{name}");
    server.finish();
}

#[tokio::test]
async fn each_way_to_break_off_before_a_head_has_its_fault_and_name() {
    let close = |mut s: TcpStream| drop(read_request(&mut s));
    check(
        "an end after the request",
        close,
        Fault::Closed,
        "connection_closed",
    )
    .await;
    let reset_after = |mut s: TcpStream| {
        read_request(&mut s);
        reset(s);
    };
    check(
        "a reset after the request",
        reset_after,
        Fault::Reset,
        "connection_reset",
    )
    .await;
    let half = |mut s: TcpStream| {
        read_request(&mut s);
        s.write_all(b"HTTP/1.1 200 OK\r\nContent-").unwrap();
    };
    check(
        "an end in the head",
        half,
        Fault::Closed,
        "response_truncated",
    )
    .await;
}

#[tokio::test]
async fn what_is_no_head_is_told_by_its_first_bytes() {
    const SSH: &[u8] = b"SSH-2.0-OpenSSH_9.2\r\n";
    const ALERT: &[u8] = b"\x15\x03\x01\x00\x02\x02\x46";
    const HTTP2: &[u8] = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00";
    const TWICE: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n";
    fn say(mut stream: TcpStream, bytes: &[u8]) {
        stream.write_all(bytes).unwrap();
        wait_for_close(&mut stream);
    }
    let not_http = |bytes: &[u8]| Fault::NotHttp {
        first_bytes: bytes.to_vec(),
    };
    check("SSH", |s| say(s, SSH), not_http(SSH), "not_http").await;
    check(
        "TLS",
        |s| say(s, ALERT),
        not_http(ALERT),
        "plaintext_to_tls_port",
    )
    .await;
    check("HTTP/2", |s| say(s, HTTP2), not_http(HTTP2), "not_http").await;
    let both = Fault::Framing {
        what: "both Content-Length and Transfer-Encoding",
        offending: b"Transfer-Encoding: chunked".to_vec(),
    };
    check("both framings", |s| say(s, TWICE), both, "protocol_error").await;
}

#[tokio::test]
async fn acknowledged_bytes_tell_whether_the_request_arrived() {
    let server = Server::once(|mut stream| drop(read_request(&mut stream)));
    let evidence = failure(&server.destination(), post(b"{}"), &timers()).await;
    assert_eq!(evidence.phase, Phase::Headers);
    assert_eq!(evidence.bytes.acked, Some(evidence.bytes.sent));
    assert_eq!(evidence.bytes.received, 0);
    assert!(evidence.times.sent.is_some() && evidence.times.first_byte.is_none());
}

#[tokio::test]
async fn the_header_limit_covers_the_whole_head() {
    let silent = Server::once(|mut stream| wait_for_close(&mut stream));
    let evidence = failure(
        &silent.destination(),
        post(b"{}"),
        &short(|t| t.header = SHORT),
    )
    .await;
    assert_eq!(evidence.fault, Some(Fault::HeaderTimeout));
    assert_eq!(evidence.limit.unwrap().name, "response_header");
    assert_eq!(code(&evidence), "response_header_timeout");

    // A byte every few milliseconds is no progress.
    let dripping = Server::once(|mut stream| {
        read_request(&mut stream);
        let mut ended = [0u8; 1];
        stream
            .set_read_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        let head = b"HTTP/1.1 200 OK\r\n"
            .iter()
            .chain(b"x-drip: 1\r\n".iter().cycle());
        for byte in head {
            if stream.write_all(&[*byte]).is_err() || matches!(stream.read(&mut ended), Ok(0)) {
                return;
            }
        }
    });
    let evidence = failure(
        &dripping.destination(),
        post(b"{}"),
        &short(|t| t.header = SHORT),
    )
    .await;
    assert_eq!(evidence.fault, Some(Fault::HeaderTimeout));
    assert!(evidence.bytes.received > 0);
}

#[tokio::test]
async fn a_limit_shortened_by_the_caller_is_marked() {
    let silent = Server::once(|mut stream| wait_for_close(&mut stream));
    let timers = short(|t| {
        t.header = SHORT;
        t.header_from_caller = true;
    });
    assert!(
        failure(&silent.destination(), post(b"{}"), &timers)
            .await
            .timer_from_caller
    );
}

#[tokio::test]
async fn the_deadline_fires_in_whatever_phase_it_strikes() {
    let silent = Server::once(|mut stream| wait_for_close(&mut stream));
    let timers = short(|t| t.deadline = Deadline::after(SystemClock.now(), SHORT));
    let evidence = failure(&silent.destination(), post(b"{}"), &timers).await;
    assert_eq!(
        (evidence.fault.clone(), evidence.phase),
        (Some(Fault::Deadline), Phase::Headers)
    );
    assert_eq!(evidence.limit.unwrap().name, "total");
    // One that has passed sends nothing.
    let timers = short(|t| t.deadline = Deadline::after(SystemClock.now(), Duration::ZERO));
    let evidence = failure(&Destination::plain("127.0.0.1", 1), post(b"{}"), &timers).await;
    assert_eq!(evidence.fault, Some(Fault::Deadline));
}

fn large() -> Outgoing<'static> {
    Outgoing {
        body: vec![Bytes::from(vec![b'x'; 32 << 20])].into(),
        ..post(b"")
    }
}

#[tokio::test]
async fn a_server_that_stops_reading_times_out_the_write() {
    let (done, until) = std::sync::mpsc::channel::<()>();
    let deaf = Server::once(move |mut stream| {
        let mut some = [0u8; 1000];
        stream.read_exact(&mut some).unwrap();
        // Holds the socket until the client has given up: a closed one would make the write fail.
        assert!(until.recv().is_err());
    });
    let evidence = failure(&deaf.destination(), large(), &short(|t| t.write = SHORT)).await;
    assert_eq!(
        (evidence.fault.clone(), evidence.phase),
        (Some(Fault::WriteTimeout), Phase::Send)
    );
    assert!(evidence.bytes.sent > 0 && evidence.bytes.sent < 32 << 20);
    assert_eq!(code(&evidence), "connection_write_timeout");
    drop(done);
    deaf.finish();
}

#[tokio::test]
async fn an_early_refusal_is_read_although_the_request_was_not_finished() {
    // It answers and slams the door: unread bytes make the close a reset.
    let server = Server::once(|mut stream| {
        let mut some = [0u8; 1000];
        stream.read_exact(&mut some).unwrap();
        stream
            .write_all(b"HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\nContent-Length: 9\r\n\r\ntoo large")
            .unwrap();
    });
    let client = client();
    let mut answered = answer(&client, &server.destination(), large()).await;
    assert_eq!(answered.status.as_u16(), 413);
    assert_eq!(text(&mut answered).await, "too large");
    assert!(answered.evidence.bytes.sent < 32 << 20);
    assert_eq!(client.idle_connections(), 0);
}

#[tokio::test]
async fn an_answer_made_while_the_request_is_read_gets_the_rest_of_it() {
    // An echo: were the rest held back, neither side could go on.
    let server = Server::once(|mut stream| {
        let mut head = Vec::new();
        let mut byte = [0u8; 1];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let length = 32 << 20;
        stream
            .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes())
            .unwrap();
        let mut piece = vec![0u8; 1 << 16];
        let mut left = length;
        while left > 0 {
            let count = stream.read(&mut piece).unwrap();
            stream.write_all(&piece[..count]).unwrap();
            left -= count;
        }
        wait_for_close(&mut stream);
    });
    let client = client();
    let mut answered = answer(&client, &server.destination(), large()).await;
    let mut size = 0;
    while let Some(piece) = answered
        .body
        .next(crate::server::IDLE, crate::server::deadline(20))
        .await
    {
        size += piece.unwrap().len();
    }
    assert_eq!(size, 32 << 20);
    assert_eq!(client.idle_connections(), 1);
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let cases = [
        format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(70_000)),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200)),
        "HTTP/1.1 100 Continue\r\n\r\n".repeat(4000),
    ];
    for head in cases {
        let server = Server::once(move |mut stream| {
            read_request(&mut stream);
            drop(stream.write_all(head.as_bytes()));
            wait_for_close(&mut stream);
        });
        let evidence = failure(&server.destination(), post(b"{}"), &timers()).await;
        assert!(
            matches!(evidence.fault, Some(Fault::HeadTooLarge { .. })),
            "{:?}",
            evidence.fault
        );
        assert_eq!(code(&evidence), "response_header_too_large");
    }
}

#[tokio::test]
async fn what_would_break_the_framing_is_never_sent() {
    let evidence = failure(
        &Destination::plain("127.0.0.1", 1),
        Outgoing {
            headers: &[("x", b"a\r\nb: c")],
            ..post(b"{}")
        },
        &timers(),
    )
    .await;
    assert!(matches!(evidence.fault, Some(Fault::Internal { .. })));
}

#[tokio::test]
async fn a_call_is_a_small_future_that_may_move_between_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let (client, to, timers) = (client(), Destination::plain("127.0.0.1", 1), timers());
    let call = is_send(client.send(&to, get(), &timers));
    let size = size_of_val(&call);
    assert!(size < 1600, "{size} bytes are moved around for every call");
}
