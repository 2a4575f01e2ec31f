//! The mock upstream: one thread, one epoll, fixed bytes. It must cost far less than any gateway in front of it,
//! so it parses a request's head and two fields of its body and nothing else.
//!
//! A stream's chunks come at irregular times, as from a real model: half to one and a half intervals apart, from a
//! fixed seed, on a timer of microseconds. Chunks on whole milliseconds would arrive at the gateway in bunches
//! and hide what it pays for waking up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::{Duration, Instant};

use memchr::memmem;
use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::http::{self, BodyReader, Head, Route};

/// Content chunks of a stream.
pub(crate) const CHUNKS: usize = 50;

const LISTENER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);

/// The mock upstream, bound and ready to run.
#[derive(Debug)]
pub(crate) struct Mock {
    poll: Poll,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// When which connection's next chunk is due, with the connection's serial number.
    due: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    timer: TimerFd,
    /// What the timer is set to.
    armed: Option<Instant>,
    answers: Answers,
    pace: Pace,
    /// What every connection reads into.
    buffer: Vec<u8>,
    serial: u64,
}

/// The times between chunks.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    state: u64,
}

impl Pace {
    /// Half to one and a half intervals.
    fn next(&mut self) -> Duration {
        // Knuth's linear congruential generator; only its high bits are any good.
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let part = u32::try_from(self.state >> 54).unwrap_or_default();
        self.interval / 2 + self.interval * part / 1024
    }
}

#[derive(Debug)]
struct Connection {
    socket: TcpStream,
    serial: u64,
    input: Vec<u8>,
    request: Option<(Head, BodyReader)>,
    body: Vec<u8>,
    /// What the socket did not take at once.
    output: Vec<u8>,
    stream: Option<Stream>,
}

#[derive(Debug, Clone, Copy)]
struct Stream {
    next: usize,
    due: Instant,
    usage: bool,
}

/// Every byte that the mock can send.
#[derive(Debug)]
struct Answers {
    chat: Vec<u8>,
    models: Vec<u8>,
    unknown: Vec<u8>,
    malformed: Vec<u8>,
    stream_head: Vec<u8>,
    chunks: Vec<Vec<u8>>,
    usage_and_end: Vec<u8>,
    end: Vec<u8>,
}

impl Mock {
    /// Binds to `address` (port 0: any), with `interval` between a stream's chunks; zero sends them at once.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub(crate) fn bind(address: SocketAddr, interval: Duration) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::all())?;
        let raw = timer.as_fd().as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&raw), TIMER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            timer,
            armed: None,
            connections: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            answers: Answers::new(),
            pace: Pace {
                interval,
                state: 2026,
            },
            buffer: vec![0; 16 * 1024],
            serial: 0,
        })
    }

    /// The address that clients connect to.
    ///
    /// # Errors
    /// The socket has no address.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// The poll fails; a connection's own error only closes that connection.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    TIMER => {}
                    Token(index) => self.serve(index, event.is_read_closed()),
                }
            }
            self.send_due()?;
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            socket.set_nodelay(true)?;
            let index = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut socket, Token(index), interest)?;
            self.serial += 1;
            if let Some(slot) = self.connections.get_mut(index) {
                *slot = Some(Connection {
                    socket,
                    serial: self.serial,
                    input: Vec::with_capacity(4096),
                    request: None,
                    body: Vec::with_capacity(4096),
                    output: Vec::new(),
                    stream: None,
                });
            }
        }
    }

    /// Handles readiness of one connection, which is dropped when it fails or ends.
    fn serve(&mut self, index: usize, closing: bool) {
        let Some(connection) = self.connections.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        let had_stream = connection.stream.is_some();
        let goes_on = connection
            .read(&mut self.buffer, closing)
            .and_then(|open| Ok(open && connection.answer(&self.answers, &mut self.pace)?))
            .unwrap_or(false);
        if !goes_on {
            self.drop_connection(index);
        } else if let (false, Some(stream)) = (had_stream, connection.stream) {
            self.due
                .push(Reverse((stream.due, index, connection.serial)));
        }
    }

    /// Sends every chunk that is due and sets the timer for the next one.
    fn send_due(&mut self) -> io::Result<()> {
        let now = Instant::now();
        while let Some(&Reverse((at, index, serial))) = self.due.peek()
            && at <= now
        {
            self.due.pop();
            let Some(connection) = self.connections.get_mut(index).and_then(Option::as_mut) else {
                continue;
            };
            if connection.serial != serial {
                continue;
            }
            match connection.send_chunk(&self.answers, &mut self.pace) {
                Ok(Some(next)) => self.due.push(Reverse((next, index, serial))),
                Ok(None) => {}
                Err(_) => self.drop_connection(index),
            }
        }
        let next = self.due.peek().map(|Reverse((at, ..))| *at);
        if next != self.armed {
            self.armed = next;
            // A time in the past must still fire, and zero would disarm.
            let wait = next.map_or(Duration::ZERO, |at| {
                at.saturating_duration_since(Instant::now())
                    .max(Duration::from_nanos(1))
            });
            let expiration = Expiration::OneShot(TimeSpec::from_duration(wait));
            self.timer.set(expiration, TimerSetTimeFlags::empty())?;
        }
        Ok(())
    }

    fn drop_connection(&mut self, index: usize) {
        if let Some(slot) = self.connections.get_mut(index)
            && slot.take().is_some()
        {
            self.free.push(index);
        }
    }
}

impl Connection {
    /// Writes what is left over and reads what has come; false when the peer has closed.
    fn read(&mut self, buffer: &mut [u8], closing: bool) -> io::Result<bool> {
        if !self.output.is_empty() {
            let output = std::mem::take(&mut self.output);
            self.send(&output)?;
        }
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.input
                        .extend_from_slice(buffer.get(..count).unwrap_or_default());
                    // A short read has emptied the socket; the next bytes raise a new edge.
                    if count < buffer.len() && !closing {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Answers the requests that are whole; false when the connection is over.
    fn answer(&mut self, answers: &Answers, pace: &mut Pace) -> io::Result<bool> {
        while self.stream.is_none() && !self.input.is_empty() {
            if self.request.is_none() {
                match http::request_head(&self.input) {
                    Ok(Some(head)) => {
                        self.input.drain(..head.length);
                        self.body.clear();
                        self.request = Some((head, BodyReader::new(head.framing)));
                    }
                    Ok(None) => return Ok(true),
                    Err(_) => {
                        self.send(&answers.malformed)?;
                        return Ok(false);
                    }
                }
            }
            let Some((head, reader)) = &mut self.request else {
                return Ok(true);
            };
            let body = &mut self.body;
            let Ok(taken) = reader.feed(&self.input, |piece| body.extend_from_slice(piece)) else {
                self.send(&answers.malformed)?;
                return Ok(false);
            };
            self.input.drain(..taken);
            if !reader.is_done() {
                return Ok(true);
            }
            let head = *head;
            self.request = None;
            match head.route {
                Route::Chat if is_true(&self.body, b"\"stream\"") => {
                    self.begin_stream(answers, pace)?;
                }
                Route::Chat => self.send(&answers.chat)?,
                Route::Models => self.send(&answers.models)?,
                Route::Other => self.send(&answers.unknown)?,
            }
            if head.close && self.stream.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn begin_stream(&mut self, answers: &Answers, pace: &mut Pace) -> io::Result<()> {
        let usage = is_true(&self.body, b"\"include_usage\"");
        self.send(&answers.stream_head)?;
        self.stream = Some(Stream {
            next: 0,
            due: Instant::now() + pace.next(),
            usage,
        });
        if pace.interval.is_zero() {
            while self.send_chunk(answers, pace)?.is_some() {}
        }
        Ok(())
    }

    /// Sends the next chunk and says when the one after it is due; `None` after the last.
    fn send_chunk(&mut self, answers: &Answers, pace: &mut Pace) -> io::Result<Option<Instant>> {
        let Some(mut stream) = self.stream.take() else {
            return Ok(None);
        };
        if let Some(chunk) = answers.chunks.get(stream.next) {
            self.send(chunk)?;
            stream.next += 1;
            stream.due += pace.next();
            self.stream = Some(stream);
            return Ok(Some(stream.due));
        }
        self.send(if stream.usage {
            &answers.usage_and_end
        } else {
            &answers.end
        })?;
        // A request that came in the meantime has had its edge already.
        self.answer(answers, pace)?;
        Ok(self.stream.map(|stream| stream.due))
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while self.output.is_empty() && !rest.is_empty() {
            match self.socket.write(rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.extend_from_slice(rest);
        Ok(())
    }
}

/// Whether the first field of this (quoted) name is `true`.
fn is_true(body: &[u8], field: &[u8]) -> bool {
    memmem::find(body, field)
        .and_then(|at| body.get(at + field.len()..))
        .and_then(|rest| rest.trim_ascii_start().strip_prefix(b":"))
        .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"true"))
}

impl Answers {
    fn new() -> Self {
        let content = "The gateway relays this answer without touching a byte of it. ".repeat(11);
        let content = content.trim();
        let chat = format!(
            concat!(
                r#"{{"id":"chatcmpl-bench","object":"chat.completion","created":1764000000,"#,
                r#""model":"bench","choices":[{{"index":0,"message":{{"role":"assistant","#,
                r#""content":"{}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"#,
                r#""usage":{{"prompt_tokens":180,"completion_tokens":140,"total_tokens":320,"#,
                r#""prompt_tokens_details":{{"cached_tokens":64}},"#,
                r#""completion_tokens_details":{{"reasoning_tokens":0}}}},"#,
                r#""service_tier":"default"}}"#
            ),
            content
        );
        let models = r#"{"object":"list","data":[{"id":"bench","object":"model","created":1764000000,"owned_by":"bench"}]}"#;
        let unknown = r#"{"error":{"message":"unknown path","type":"invalid_request_error","param":null,"code":null}}"#;
        let usage = event(
            "[]",
            r#","usage":{"prompt_tokens":180,"completion_tokens":50,"total_tokens":230}"#,
        );
        let end = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n".to_vec();
        Self {
            chat: whole("200 OK", &chat),
            models: whole("200 OK", models),
            unknown: whole("404 Not Found", unknown),
            malformed: whole("400 Bad Request", unknown),
            stream_head: concat!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n",
                "x-request-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            .into(),
            chunks: (0..CHUNKS).map(chunk).collect(),
            usage_and_end: [usage, end.clone()].concat(),
            end,
        }
    }
}

fn whole(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The stream's content chunk number `n`: the role first, the finish reason last.
fn chunk(n: usize) -> Vec<u8> {
    let (delta, finish) = match n {
        0 => (r#"{"role":"assistant","content":""}"#.to_owned(), "null"),
        n if n + 1 == CHUNKS => ("{}".to_owned(), r#""stop""#),
        n => (format!(r#"{{"content":" word{n}"}}"#), "null"),
    };
    let choices =
        format!(r#"[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]"#);
    event(&choices, r#","usage":null"#)
}

/// One event in its HTTP chunk.
fn event(choices: &str, usage: &str) -> Vec<u8> {
    let event = format!(
        concat!(
            r#"data: {{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1764000000,"#,
            r#""model":"bench","choices":{}{}}}"#,
            "\n\n"
        ),
        choices, usage
    );
    format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Answers, is_true};

    #[test]
    fn the_answer_is_a_valid_completion_of_about_one_kilobyte() {
        let answers = Answers::new();
        let text = String::from_utf8(answers.chat).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())));
        assert!((950..1150).contains(&body.len()), "{} bytes", body.len());
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["choices"][0]["finish_reason"], "stop");
        assert_eq!(body["usage"]["total_tokens"], 320);
    }

    #[test]
    fn a_flag_is_found_with_and_without_spaces() {
        assert!(is_true(br#"{"stream":true}"#, b"\"stream\""));
        assert!(is_true(br#"{"stream" : true}"#, b"\"stream\""));
        assert!(!is_true(br#"{"stream":false}"#, b"\"stream\""));
        assert!(!is_true(br#"{"model":"x"}"#, b"\"stream\""));
    }
}
