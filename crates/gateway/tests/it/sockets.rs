//! Peers that no HTTP server can play: ports that refuse, swallow or never read, and a name server that says no.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// A port on which nothing listens.
pub(crate) fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// A port whose queue of waiting connections is full, so that the kernel drops every further one.
pub(crate) struct BlackHole {
    pub(crate) address: SocketAddr,
    _listener: Socket,
    _waiting: Vec<Socket>,
}

impl BlackHole {
    pub(crate) fn open() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let waiting = (0..4).map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            if let Err(error) = socket.connect(&address.into()) {
                assert_eq!(
                    error.raw_os_error(),
                    Some(nix::errno::Errno::EINPROGRESS as i32),
                    "{error}"
                );
            }
            socket
        });
        Self {
            address,
            _waiting: waiting.collect(),
            _listener: listener,
        }
    }
}

/// A server that accepts and never reads, with small buffers.
pub(crate) struct NeverReads {
    pub(crate) address: SocketAddr,
    _listener: Socket,
}

impl NeverReads {
    pub(crate) fn open() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.set_recv_buffer_size(8192).unwrap();
        listener
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        listener.listen(16).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        Self {
            address,
            _listener: listener,
        }
    }
}

/// A server that streams as much as it can, and counts it.
pub(crate) struct Firehose {
    pub(crate) address: SocketAddr,
    sent: Arc<AtomicU64>,
    done: std::thread::JoinHandle<()>,
}

impl Firehose {
    /// It stops after so many bytes, or when nobody has taken any for this long.
    pub(crate) fn open(most: u64, patience: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        let done = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            read_head(&mut socket);
            socket.set_write_timeout(Some(patience)).unwrap();
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
            socket.write_all(head.as_bytes()).unwrap();
            let delta = "x".repeat(60_000);
            let event = format!(
                "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{delta}\"}},\"finish_reason\":null}}]}}\n\n"
            );
            let mut rest = event.as_bytes();
            while count.load(Ordering::SeqCst) < most {
                match socket.write(rest) {
                    Ok(size) => {
                        count.fetch_add(u64::try_from(size).unwrap(), Ordering::SeqCst);
                        rest = &rest[size..];
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
                if rest.is_empty() {
                    rest = event.as_bytes();
                }
            }
        });
        Self {
            address,
            sent,
            done,
        }
    }

    /// How much it got rid of, once nobody takes any more.
    pub(crate) fn sent(self) -> u64 {
        self.done.join().unwrap();
        self.sent.load(Ordering::SeqCst)
    }
}

/// Reads a request's head and throws it away, with whatever of the body came along.
fn read_head(socket: &mut TcpStream) {
    let mut seen = Vec::new();
    let mut piece = [0; 4096];
    while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
        let size = socket.read(&mut piece).unwrap();
        assert!(size > 0, "the gateway closed before its request was whole");
        seen.extend_from_slice(&piece[..size]);
    }
}

/// A name server that answers every question with this code (RFC 1035, 4.1.1): 2 cannot say, 3 no such name.
pub(crate) fn name_server(code: u8) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut packet = [0_u8; 1500];
        while let Ok((size, from)) = socket.recv_from(&mut packet) {
            let mut answer = packet[..size].to_vec();
            answer[2] |= 0x80;
            answer[3] = 0x80 | code;
            // Only the question goes back: no additional records, as of EDNS.
            answer[10..12].copy_from_slice(&[0, 0]);
            let question = 12 + answer[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
            answer.truncate(question);
            socket.send_to(&answer, from).unwrap();
        }
    });
    address
}
