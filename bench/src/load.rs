//! The load: N keep-alive connections in a closed loop on one thread. Each answer must be 2xx, and its body must
//! be, byte for byte, the one that the upstream gives directly.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::http::{self, BodyReader};

/// A slice in which no answer makes progress for this long is given up.
const STALL: Duration = Duration::from_secs(5);

/// Different failures told in words; the first one already ends the slice.
const TOLD: usize = 5;

/// When a slice stops sending. Calls on their way are always awaited.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After this many calls.
    Calls(usize),
}

/// One slice of load.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// Where to connect to.
    pub(crate) address: SocketAddr,
    /// The whole request, head and body.
    pub(crate) request: Arc<[u8]>,
    /// The body that every answer must have; `None` takes the first one as the model of the others.
    pub(crate) expected: Option<Arc<[u8]>>,
    /// Connections, each with one call at a time.
    pub(crate) connections: usize,
    /// When to stop.
    pub(crate) until: Until,
}

/// What a slice gave.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Calls answered whole, rightly or not.
    pub(crate) calls: usize,
    /// From the first byte sent to the last one received.
    pub(crate) elapsed: Duration,
    /// Microseconds per call, ascending.
    pub(crate) latencies: Vec<u32>,
    /// Connections that the server closed between two calls.
    pub(crate) reconnects: usize,
    /// What went wrong; a good slice has none.
    pub(crate) failures: Vec<String>,
}

impl Report {
    /// The latency below which this part (0 to 100) of the calls stayed, in microseconds.
    pub(crate) fn percentile(&self, part: usize) -> u32 {
        let at = (self.latencies.len() * part / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

/// Runs one slice to its end.
///
/// # Errors
/// No connection at all, or a broken poll. What single calls meet is in the report.
pub(crate) fn run(job: &Job) -> io::Result<Report> {
    let mut slice = Slice {
        poll: Poll::new()?,
        job,
        expected: job.expected.clone(),
        issued: 0,
        in_flight: 0,
        stopping: false,
        report: Report::default(),
    };
    let mut connections = Vec::with_capacity(job.connections);
    for index in 0..job.connections {
        connections.push(Connection::open(job.address, index, &slice.poll)?);
    }
    slice.drive(&mut connections)?;
    slice.report.latencies.sort_unstable();
    Ok(slice.report)
}

struct Slice<'a> {
    poll: Poll,
    job: &'a Job,
    expected: Option<Arc<[u8]>>,
    issued: usize,
    in_flight: usize,
    stopping: bool,
    report: Report,
}

struct Connection {
    socket: TcpStream,
    index: usize,
    /// A head that has not fully arrived.
    head: Vec<u8>,
    /// The part of the request that the socket did not take yet.
    unsent: usize,
    call: Option<Call>,
}

struct Call {
    started: Instant,
    status: u16,
    close: bool,
    body: Option<BodyReader>,
    received: usize,
    differs_at: Option<usize>,
    /// The body's first bytes where something is wrong, or all of it while no model body is known.
    kept: Vec<u8>,
}

impl Slice<'_> {
    fn drive(&mut self, connections: &mut [Connection]) -> io::Result<()> {
        let started = Instant::now();
        let mut progress = started;
        for connection in connections.iter_mut() {
            self.next_call(connection)?;
        }
        let mut events = Events::with_capacity(256);
        let mut buffer = vec![0; 64 * 1024];
        while self.in_flight > 0 {
            match self.poll.poll(&mut events, Some(Duration::from_millis(50))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            let now = Instant::now();
            if matches!(self.job.until, Until::Elapsed(limit) if now - started >= limit) {
                self.stopping = true;
            }
            if !events.is_empty() {
                progress = now;
            } else if now - progress > STALL {
                self.fail(format!(
                    "{} calls got no byte for {STALL:?}",
                    self.in_flight
                ));
                break;
            }
            for event in &events {
                if let Some(connection) = connections.get_mut(event.token().0) {
                    self.ready(connection, &mut buffer, event.is_read_closed())?;
                }
            }
        }
        self.report.elapsed = started.elapsed();
        Ok(())
    }

    fn next_call(&mut self, connection: &mut Connection) -> io::Result<()> {
        if matches!(self.job.until, Until::Calls(limit) if self.issued >= limit) {
            self.stopping = true;
        }
        if self.stopping {
            return Ok(());
        }
        self.issued += 1;
        self.in_flight += 1;
        connection.unsent = self.job.request.len();
        connection.call = Some(Call::new(Instant::now()));
        connection.send(&self.job.request)
    }

    /// Takes what has arrived. An error of one connection is a failed call, not the end of the slice's report.
    fn ready(
        &mut self,
        connection: &mut Connection,
        buffer: &mut [u8],
        closing: bool,
    ) -> io::Result<()> {
        if connection.unsent > 0
            && let Err(error) = connection.send(&self.job.request)
        {
            return self.lose(connection, &format!("sending failed: {error}"));
        }
        loop {
            let count = match connection.socket.read(buffer) {
                Ok(0) => return self.lose(connection, "the connection was closed in mid-call"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return self.lose(connection, &format!("reading failed: {error}")),
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            if let Err(what) = connection.take(bytes, self.expected.as_deref()) {
                return self.lose(connection, &what);
            }
            if connection.call.as_ref().is_some_and(Call::is_done) {
                self.finish(connection)?;
            }
            // A short read has emptied the socket; the next bytes raise a new edge.
            if count < buffer.len() && !closing {
                return Ok(());
            }
        }
    }

    /// The connection is gone: a failure if a call was on it, else just a new connection.
    fn lose(&mut self, connection: &mut Connection, what: &str) -> io::Result<()> {
        if connection.call.take().is_some() {
            self.in_flight -= 1;
            self.fail(what.to_owned());
            return Ok(());
        }
        self.reconnect(connection)
    }

    fn reconnect(&mut self, connection: &mut Connection) -> io::Result<()> {
        if self.stopping {
            return Ok(());
        }
        self.report.reconnects += 1;
        *connection = Connection::open(self.job.address, connection.index, &self.poll)?;
        Ok(())
    }

    fn finish(&mut self, connection: &mut Connection) -> io::Result<()> {
        let Some(call) = connection.call.take() else {
            return Ok(());
        };
        self.in_flight -= 1;
        self.report.calls += 1;
        let micros = u32::try_from(call.started.elapsed().as_micros()).unwrap_or(u32::MAX);
        self.report.latencies.push(micros);
        if let Some(what) = call.complaint(self.expected.as_deref()) {
            self.fail(what);
        } else if self.expected.is_none() {
            self.expected = Some(call.kept.into());
        }
        if call.close {
            self.reconnect(connection)?;
        }
        self.next_call(connection)
    }

    fn fail(&mut self, what: String) {
        self.stopping = true;
        if self.report.failures.len() < TOLD && !self.report.failures.contains(&what) {
            self.report.failures.push(what);
        }
    }
}

impl Connection {
    fn open(address: SocketAddr, index: usize, poll: &Poll) -> io::Result<Self> {
        let socket = std::net::TcpStream::connect_timeout(&address, STALL)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let mut socket = TcpStream::from_std(socket);
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut socket, Token(index), interest)?;
        Ok(Self {
            socket,
            index,
            head: Vec::new(),
            unsent: 0,
            call: None,
        })
    }

    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        while self.unsent > 0 {
            let rest = request
                .get(request.len() - self.unsent..)
                .unwrap_or_default();
            match self.socket.write(rest) {
                Ok(count) => self.unsent -= count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], expected: Option<&[u8]>) -> Result<(), String> {
        let Some(call) = &mut self.call else {
            return Err("bytes arrived that no call asked for".to_owned());
        };
        if call.body.is_some() {
            return call.take_body(bytes, expected);
        }
        // The head is nearly always whole in the first read: then it is parsed where it lies.
        let whole = if self.head.is_empty() {
            bytes
        } else {
            self.head.extend_from_slice(bytes);
            &self.head
        };
        let Some(head) = http::answer_head(whole)? else {
            if self.head.is_empty() {
                self.head.extend_from_slice(bytes);
            }
            return Ok(());
        };
        call.status = head.status;
        call.close = head.close;
        call.body = Some(BodyReader::new(head.framing));
        call.take_body(whole.get(head.length..).unwrap_or_default(), expected)?;
        self.head.clear();
        Ok(())
    }
}

impl Call {
    fn new(started: Instant) -> Self {
        Self {
            started,
            status: 0,
            close: false,
            body: None,
            received: 0,
            differs_at: None,
            kept: Vec::new(),
        }
    }

    fn is_done(&self) -> bool {
        self.body.as_ref().is_some_and(BodyReader::is_done)
    }

    fn take_body(&mut self, bytes: &[u8], expected: Option<&[u8]>) -> Result<(), String> {
        let Some(reader) = &mut self.body else {
            return Ok(());
        };
        let (status, received) = (self.status, &mut self.received);
        let (differs_at, kept) = (&mut self.differs_at, &mut self.kept);
        let taken = reader.feed(bytes, |piece| {
            let due = expected.and_then(|body| body.get(*received..*received + piece.len()));
            if expected.is_some() && due != Some(piece) {
                differs_at.get_or_insert(*received);
            }
            if expected.is_none() || !(200..300).contains(&status) {
                kept.extend_from_slice(piece);
            }
            *received += piece.len();
        })?;
        if taken < bytes.len() {
            return Err("bytes arrived after the end of the body".to_owned());
        }
        Ok(())
    }

    /// What is wrong with the answer.
    fn complaint(&self, expected: Option<&[u8]>) -> Option<String> {
        if !(200..300).contains(&self.status) {
            let start = self
                .kept
                .get(..self.kept.len().min(500))
                .unwrap_or_default();
            return Some(format!(
                "status {} with body {}",
                self.status,
                String::from_utf8_lossy(start)
            ));
        }
        let expected = expected?;
        if self.received != expected.len() {
            return Some(format!(
                "the body has {} bytes, directly it has {}",
                self.received,
                expected.len()
            ));
        }
        self.differs_at
            .map(|at| format!("the body differs from the direct one within the piece at byte {at}"))
    }
}

/// One answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The body without its framing.
    pub(crate) body: Vec<u8>,
}

/// Sends one request on a connection of its own and reads the answer, for at most five seconds per read.
///
/// # Errors
/// Connecting, sending or reading failed, or the answer is malformed.
pub(crate) fn ask(address: SocketAddr, request: &[u8]) -> io::Result<Answer> {
    let mut socket = std::net::TcpStream::connect_timeout(&address, STALL)?;
    socket.set_read_timeout(Some(STALL))?;
    socket.write_all(request)?;
    let mut buffer = [0; 16 * 1024];
    let mut input = Vec::new();
    let mut answer = Answer {
        status: 0,
        body: Vec::new(),
    };
    let mut reader: Option<BodyReader> = None;
    loop {
        if reader.is_none()
            && let Some(head) = http::answer_head(&input).map_err(io::Error::other)?
        {
            answer.status = head.status;
            input.drain(..head.length);
            reader = Some(BodyReader::new(head.framing));
        }
        if let Some(reader) = &mut reader {
            reader
                .feed(&input, |piece| answer.body.extend_from_slice(piece))
                .map_err(io::Error::other)?;
            input.clear();
            if reader.is_done() {
                return Ok(answer);
            }
        }
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            return Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                "closed in mid-answer",
            ));
        }
        input.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::{Job, Report, Until, ask, run};
    use crate::call::{Shape, chat_request, get_request};
    use crate::mock::Mock;
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    fn mock() -> SocketAddr {
        let mut mock =
            Mock::bind("127.0.0.1:0".parse().unwrap(), Duration::from_micros(100)).unwrap();
        let address = mock.address().unwrap();
        std::thread::spawn(move || mock.run());
        address
    }

    fn load(shape: Shape, expected: Option<&[u8]>, calls: usize) -> Report {
        let address = mock();
        run(&Job {
            address,
            request: chat_request(address, None, shape, "bench").into(),
            expected: expected.map(Arc::from),
            connections: 4,
            until: Until::Calls(calls),
        })
        .unwrap()
    }

    #[test]
    fn every_call_of_a_fixed_count_is_answered_and_equal() {
        for shape in [Shape::Whole, Shape::Stream] {
            let report = load(shape, None, 50);
            assert_eq!(report.failures, Vec::<String>::new());
            assert_eq!(report.calls, 50);
            assert_eq!(report.latencies.len(), 50);
            assert_eq!(report.reconnects, 0);
        }
    }

    #[test]
    fn a_stream_has_all_its_chunks_usage_and_the_end_mark() {
        let address = mock();
        let request = chat_request(address, None, Shape::Stream, "bench");
        let answer = ask(address, &request).unwrap();
        assert_eq!(answer.status, 200);
        let text = String::from_utf8(answer.body).unwrap();
        let events: Vec<_> = text.split_terminator("\n\n").collect();
        assert_eq!(events.len(), crate::mock::CHUNKS + 2);
        assert_eq!(*events.last().unwrap(), "data: [DONE]");
        for event in events.iter().rev().skip(1) {
            let json = event.strip_prefix("data: ").unwrap();
            let _: serde_json::Value = serde_json::from_str(json).unwrap();
        }
        assert!(events[crate::mock::CHUNKS].contains(r#""completion_tokens":50"#));
    }

    #[test]
    fn a_body_of_another_length_or_content_fails_the_slice() {
        let report = load(Shape::Whole, Some(b"short"), 10);
        assert!(
            report.failures[0].contains("directly it has 5"),
            "{:?}",
            report.failures
        );
        assert!(report.calls < 10, "the first failure ends the slice");

        let address = mock();
        let body = ask(address, &chat_request(address, None, Shape::Whole, "bench"))
            .unwrap()
            .body;
        let mut other = body;
        *other.last_mut().unwrap() = b'!';
        let report = load(Shape::Whole, Some(&other), 10);
        assert!(
            report.failures[0].contains("differs"),
            "{:?}",
            report.failures
        );
    }

    #[test]
    fn an_answer_that_is_not_2xx_fails_the_slice() {
        let address = mock();
        let report = run(&Job {
            address,
            request: get_request(address, None, "/nowhere").into(),
            expected: None,
            connections: 2,
            until: Until::Calls(10),
        })
        .unwrap();
        assert!(
            report.failures[0].starts_with("status 404"),
            "{:?}",
            report.failures
        );
    }

    #[test]
    fn a_server_that_closes_in_mid_call_fails_the_slice() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            use std::io::{Read, Write};
            for mut socket in listener.incoming().flatten() {
                let _ = socket.read(&mut [0; 4096]);
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
            }
        });
        let report = run(&Job {
            address,
            request: get_request(address, None, "/").into(),
            expected: None,
            connections: 1,
            until: Until::Elapsed(Duration::from_secs(1)),
        })
        .unwrap();
        assert!(
            report.failures[0].contains("closed in mid-call"),
            "{:?}",
            report.failures
        );
    }
}
