//! What is upgraded: `WebSocket`, and whatever else both sides agree on.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::rig::{Rig, USUAL};
use crate::sockets::refusing;

fn rig() -> Rig {
    let routes = format!(
        "routes:
  a: {{ match: {{ path: /a/** }}, upstreams: [DRILL] }}
  two: {{ match: {{ path: /two/** }}, upstreams: [\"http://{}\", DRILL] }}
  h2: {{ match: {{ path: /h2/** }}, upstreams: [{{ url: DRILL, http_version: 2 }}] }}
",
        refusing()
    );
    Rig::with(&format!("{USUAL}{routes}"), drill::Script::default())
}

/// A client after its handshake, and the head that answered it.
struct Client {
    socket: TcpStream,
    head: String,
}

/// Asks for another protocol, with the first bytes right behind.
fn connect(rig: &Rig, path: &str, protocol: &str, first: &[u8]) -> Client {
    let mut socket = TcpStream::connect(rig.address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\nconnection: keep-alive, Upgrade\r\nupgrade: {protocol}\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: chat, other\r\n\r\n",
        rig.key
    )
    .into_bytes();
    request.extend_from_slice(first);
    socket.write_all(&request).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    Client { socket, head }
}

impl Client {
    /// Sends a masked text frame and reads as many bytes as come back for it.
    fn echo(&mut self, text: &str) -> String {
        self.socket.write_all(&frame(text)).unwrap();
        self.read(text)
    }

    fn read(&mut self, text: &str) -> String {
        let mut back = vec![0; 2 + text.len()];
        self.socket.read_exact(&mut back).unwrap();
        assert_eq!(usize::from(back[1]), text.len());
        String::from_utf8(back.split_off(2)).unwrap()
    }

    fn rest(&mut self) -> std::io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.socket.read_to_end(&mut rest).map(|_| rest)
    }
}

/// A short masked text frame; a mask of zeros leaves the text as it is.
fn frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126);
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame
}

#[test]
fn a_websocket_is_tunnelled_and_counted() {
    let rig = rig();
    let mut client = connect(&rig, "/a/ws/echo", "websocket", &frame("early"));
    assert!(client.head.starts_with("http/1.1 101 "), "{}", client.head);
    for line in [
        "connection: upgrade\r\n",
        "upgrade: websocket\r\n",
        "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n",
        "sec-websocket-protocol: chat\r\n",
        "x-goodgate-served-by: ",
    ] {
        assert!(client.head.contains(line), "{line}: {}", client.head);
    }
    assert!(!client.head.contains("content-length"), "{}", client.head);
    assert!(
        !client.head.contains("transfer-encoding"),
        "{}",
        client.head
    );
    assert_eq!(client.read("early"), "early");
    for n in 0..100 {
        let text = format!("message {n}");
        assert_eq!(client.echo(&text), text);
    }
    // A close frame, which comes back before the end.
    client.socket.write_all(&[0x88, 0x80, 0, 0, 0, 0]).unwrap();
    assert_eq!(client.rest().unwrap(), [0x88, 0]);
    drop(client);
    let row = rig.newest(|row| row.call.status == Some(101)).call;
    assert_eq!(row.outcome.as_str(), "ok");
    assert!(
        row.request_bytes > 1_000 && row.response_bytes > 1_000,
        "{row:?}"
    );
    let seen = rig.drill.seen().remove(0);
    assert_eq!(seen.header("upgrade"), Some("websocket"));
    assert_eq!(seen.header("authorization"), None);
}

#[test]
fn a_refused_handshake_is_the_upstreams_own_answer() {
    let rig = rig();
    let mut client = connect(&rig, "/a/ws/refuse", "websocket", b"");
    assert!(client.head.starts_with("http/1.1 403 "), "{}", client.head);
    drop(client.socket.shutdown(Shutdown::Write));
    assert!(
        String::from_utf8(client.rest().unwrap())
            .unwrap()
            .contains("no upgrade here")
    );
}

#[test]
fn what_fails_before_the_upgrade_is_tried_again() {
    let rig = rig();
    for path in ["/a/flaky/2/ws/echo", "/two/ws/echo"] {
        let mut client = connect(&rig, path, "websocket", b"");
        assert!(
            client.head.starts_with("http/1.1 101 "),
            "{path}: {}",
            client.head
        );
        assert!(
            client.head.contains("x-goodgate-outcome: recovered"),
            "{path}: {}",
            client.head
        );
        assert_eq!(client.echo("hello"), "hello");
    }
    let failed = connect(&rig, "/a/fault/html-502/ws/echo", "websocket", b"");
    assert!(failed.head.starts_with("http/1.1 502 "), "{}", failed.head);
    assert!(
        failed.head.contains("x-goodgate-code: bad_gateway"),
        "{}",
        failed.head
    );
}

#[test]
fn an_upgrade_goes_by_http_1_where_calls_go_by_http_2() {
    let rig = rig();
    let mut client = connect(&rig, "/h2/ws/echo", "websocket", b"");
    assert!(client.head.starts_with("http/1.1 101 "), "{}", client.head);
    assert_eq!(client.echo("hello"), "hello");
}

#[test]
fn one_direction_may_end_before_the_other() {
    let rig = rig();
    let mut client = connect(&rig, "/a/ws/echo", "lines/1", b"");
    assert!(
        client.head.contains("upgrade: lines/1\r\n"),
        "{}",
        client.head
    );
    let sent = vec![b'x'; 300_000];
    let mut writing = client.socket.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        writing.write_all(&sent).unwrap();
        writing.shutdown(Shutdown::Write).unwrap();
    });
    assert_eq!(client.rest().unwrap().len(), 300_000);
    writer.join().unwrap();
    let row = rig.newest(|row| row.call.status == Some(101)).call;
    assert_eq!(row.outcome.as_str(), "ok");
    assert_eq!((row.request_bytes, row.response_bytes), (300_000, 300_000));
}

#[test]
fn a_break_is_passed_on_as_a_break_and_told() {
    let rig = rig();
    let mut client = connect(&rig, "/a/ws/cut", "websocket", b"");
    assert_eq!(client.echo("hello"), "hello");
    let error = client.rest().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let row = rig.newest(|row| row.call.outcome.as_str() == "failed").call;
    assert_eq!(row.code.as_deref(), Some("response_reset"));
}

#[test]
fn a_tunnel_in_which_nothing_passes_is_ended() {
    let rig = rig();
    let mut client = connect(&rig, "/a/ws/silent", "websocket", b"");
    assert!(client.head.starts_with("http/1.1 101 "), "{}", client.head);
    assert!(client.rest().is_err());
    let row = rig.newest(|row| row.call.outcome.as_str() == "failed").call;
    assert_eq!(row.code.as_deref(), Some("stream_idle_timeout"));
}

#[test]
fn a_client_that_leaves_takes_its_tunnel_with_it() {
    let rig = rig();
    let mut client = connect(&rig, "/a/ws/echo", "websocket", b"");
    assert_eq!(client.echo("hello"), "hello");
    let socket = socket2::SockRef::from(&client.socket);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    let row = rig
        .newest(|row| row.call.outcome.as_str() == "cancelled")
        .call;
    assert_eq!(row.status, Some(101));
}
