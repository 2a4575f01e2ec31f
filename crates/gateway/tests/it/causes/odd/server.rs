//! An upstream of raw bytes: each of its addresses plays one case, so that no HTTP server stands between table and wire.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;

/// Nobody waits longer for the other side.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a connection does next. After the last step it is closed in order.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends bytes.
    Say(Vec<u8>),
    /// Sends bytes in pieces of so many, with so many milliseconds between two.
    Drip(Vec<u8>, usize, u64),
    /// Sends bytes over and over until the other side has had enough.
    Flood(Vec<u8>),
    /// Waits so many milliseconds.
    Pause(u64),
    /// Reads and says nothing more until the other side closes.
    Hold,
    /// Ends with a reset.
    Reset,
}

/// What one address does.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    /// Whether the request is read, body and all, before the first step.
    pub(crate) reads: bool,
    pub(crate) steps: Vec<Step>,
}

/// The server; it lives as long as the test's process.
pub(crate) struct RawServer {
    pub(crate) port: u16,
}

/// The address of a number: `127.2.x.y`.
pub(crate) fn address_of(number: usize) -> Ipv4Addr {
    let [high, low] = u16::try_from(number + 1).unwrap().to_be_bytes();
    Ipv4Addr::new(127, 2, high, low)
}

fn number_of(address: IpAddr) -> usize {
    let IpAddr::V4(address) = address else {
        panic!("no IPv4 address: {address}")
    };
    let [_, _, high, low] = address.octets();
    usize::from(u16::from_be_bytes([high, low])) - 1
}

impl RawServer {
    /// Plays the acts, each at the address of its number.
    pub(crate) fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        let acts = Arc::new(acts);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let Ok(socket) = socket else { return };
                let acts = Arc::clone(&acts);
                std::thread::spawn(move || {
                    let number = number_of(socket.local_addr().unwrap().ip());
                    play(socket, &acts[number]);
                });
            }
        });
        Self { port }
    }
}

fn play(mut socket: TcpStream, act: &Act) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    if act.reads && !read_request(&mut socket) {
        return;
    }
    for step in &act.steps {
        let done = match step {
            Step::Say(bytes) => socket.write_all(bytes),
            Step::Drip(bytes, size, ms) => drip(&mut socket, bytes, *size, *ms),
            Step::Flood(bytes) => flood(&mut socket, bytes),
            Step::Pause(ms) => pause(&mut socket, *ms),
            Step::Hold => {
                swallow(&mut socket);
                return;
            }
            Step::Reset => {
                SockRef::from(&socket)
                    .set_linger(Some(Duration::ZERO))
                    .unwrap();
                return;
            }
        };
        if done.is_err() {
            return;
        }
    }
    // Unread bytes would turn the orderly end into a reset.
    socket.shutdown(std::net::Shutdown::Write).ok();
    swallow(&mut socket);
}

fn drip(socket: &mut TcpStream, bytes: &[u8], size: usize, ms: u64) -> std::io::Result<()> {
    for piece in bytes.chunks(size) {
        socket.write_all(piece)?;
        pause(socket, ms)?;
    }
    Ok(())
}

/// Listens for so long; an end of the other side is the end of the act.
fn pause(socket: &mut TcpStream, ms: u64) -> std::io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_millis(ms.max(1))))?;
    match socket.read(&mut [0; 4096]) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

/// 64 MiB at most: what reads that much reads for ever.
fn flood(socket: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let times = (64 << 20) / bytes.len();
    for _ in 0..times {
        socket.write_all(bytes)?;
    }
    Ok(())
}

fn swallow(socket: &mut TcpStream) {
    socket.set_read_timeout(Some(PATIENCE)).ok();
    let mut piece = [0; 4096];
    while socket.read(&mut piece).is_ok_and(|size| size > 0) {}
}

/// Reads a request to its end; false where it does not come whole.
fn read_request(socket: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(0, |length| length.trim().parse::<usize>().unwrap());
            if seen.len() >= end + 4 + length {
                return true;
            }
        }
        match socket.read(&mut piece) {
            Ok(0) => return false,
            Ok(size) => seen.extend_from_slice(&piece[..size]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}
