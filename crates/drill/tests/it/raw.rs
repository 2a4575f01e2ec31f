//! A client that writes and reads bytes, and forgives nothing it does not have to.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use drill::{Drill, Options, Script};

/// A drill with a script.
pub(crate) fn start(script: Script) -> Drill {
    Drill::start(Options {
        script,
        ..Options::default()
    })
    .expect("a drill")
}

/// The body of a chat request.
pub(crate) fn chat(model: &str, text: &str, stream: bool) -> String {
    let user = serde_json::json!({"role": "user", "content": text});
    serde_json::json!({"model": model, "messages": [user], "stream": stream}).to_string()
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The sizes of the chunks, if it was chunked.
    pub(crate) chunks: Vec<usize>,
    /// Whether the body ended as its framing says.
    pub(crate) whole: bool,
    /// All that came, as it came.
    pub(crate) raw: Vec<u8>,
    /// How the connection ended, if it did.
    pub(crate) end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Fin,
    Reset,
    Silence,
    /// It goes on and on.
    Endless,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The data of each event.
    pub(crate) fn events(&self) -> Vec<String> {
        let text = self.text();
        let blocks = text.split("\n\n").filter(|block| !block.trim().is_empty());
        blocks
            .filter_map(|block| block.lines().find_map(|l| l.strip_prefix("data: ")))
            .map(str::to_owned)
            .collect()
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    raw: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(drill: &Drill) -> Self {
        let stream = TcpStream::connect(drill.address()).expect("a connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a timeout");
        Self {
            stream,
            raw: Vec::new(),
        }
    }

    pub(crate) fn patience(self, time: Duration) -> Self {
        self.stream.set_read_timeout(Some(time)).expect("a timeout");
        self
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: drill\r\n");
        let named = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !named("authorization")
            && !named("x-api-key")
            && !named("x-goog-api-key")
            && !named("x-no-key")
        {
            head.push_str("authorization: Bearer sk-test\r\n");
        }
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").expect("memory");
        }
        if method != "GET" && method != "HEAD" && !named("content-length") {
            write!(
                head,
                "content-type: application/json\r\ncontent-length: {}\r\n",
                body.len()
            )
            .expect("memory");
        }
        let bytes = [head.as_bytes(), b"\r\n", body.as_bytes()].concat();
        // The other side may refuse to take it all: what it answered is read all the same.
        drop(self.stream.write_all(&bytes));
    }

    /// Reads once.
    pub(crate) fn read_some(&mut self) -> Option<End> {
        let mut space = [0; 65536];
        match self.stream.read(&mut space) {
            Ok(0) => Some(End::Fin),
            Ok(count) => {
                self.raw.extend_from_slice(&space[..count]);
                None
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Some(End::Silence)
            }
            Err(_) => Some(End::Reset),
        }
    }

    /// Reads until a text has come; all that came.
    pub(crate) fn read_until(&mut self, text: &str) -> String {
        loop {
            let read = String::from_utf8_lossy(&self.raw).into_owned();
            if read.contains(text) {
                return read;
            }
            assert_eq!(self.read_some(), None, "{text} has not come: {read}");
        }
    }

    /// Reads an answer, or what there is of one; the bytes of a further answer stay.
    pub(crate) fn answer(&mut self, method: &str) -> Answer {
        let mut end = None;
        loop {
            if let Some((mut answer, used)) = parse(&self.raw, method, end) {
                if answer.whole || end.is_some() {
                    answer.end = end;
                    answer.raw = self.raw.drain(..used).collect();
                    return answer;
                }
            } else if end.is_some() {
                return Answer {
                    raw: std::mem::take(&mut self.raw),
                    end,
                    ..Answer::default()
                };
            }
            end = self.read_some();
        }
    }

    /// Reads until the connection ends, falls silent, or has sent a megabyte.
    pub(crate) fn drain(&mut self) -> (Vec<u8>, End) {
        self.drain_up_to(1024 * 1024)
    }

    /// Reads until the connection ends, falls silent, or has sent so much.
    pub(crate) fn drain_up_to(&mut self, most: usize) -> (Vec<u8>, End) {
        loop {
            let end = self.read_some();
            let end = end.or_else(|| (self.raw.len() > most).then_some(End::Endless));
            if let Some(end) = end {
                return (std::mem::take(&mut self.raw), end);
            }
        }
    }
}

fn parse(raw: &[u8], method: &str, end: Option<End>) -> Option<(Answer, usize)> {
    let at = raw.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&raw[..at]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(n, v)| (n.to_lowercase(), v.to_owned()))
        .collect();
    let start = at + 4;
    let mut answer = Answer {
        status,
        headers,
        ..Answer::default()
    };
    if (100..200).contains(&status) && status != 101 {
        let (rest, used) = parse(&raw[start..], method, end)?;
        return Some((rest, used + start));
    }
    if method == "HEAD" || matches!(status, 204 | 304) {
        answer.whole = true;
        return Some((answer, start));
    }
    let rest = &raw[start..];
    if answer.header("transfer-encoding") == Some("chunked") {
        let mut position = 0;
        while let Some(line) = rest[position..].windows(2).position(|w| w == b"\r\n") {
            let text = String::from_utf8_lossy(&rest[position..position + line]).into_owned();
            let Ok(size) = usize::from_str_radix(text.split(';').next()?, 16) else {
                break;
            };
            let data = position + line + 2;
            if size == 0 {
                let Some(end) = rest[data - 2..].windows(4).position(|w| w == b"\r\n\r\n") else {
                    break;
                };
                answer.whole = true;
                position = data - 2 + end + 4;
                break;
            }
            if rest.len() < data + size + 2 {
                answer.body.extend_from_slice(&rest[data.min(rest.len())..]);
                break;
            }
            answer.chunks.push(size);
            answer.body.extend_from_slice(&rest[data..data + size]);
            position = data + size + 2;
        }
        return Some((answer, start + position));
    }
    match answer
        .header("content-length")
        .and_then(|v| v.parse::<usize>().ok())
    {
        Some(length) => {
            let count = rest.len().min(length);
            answer.body = rest[..count].to_vec();
            answer.whole = count == length;
            Some((answer, start + count))
        }
        None => {
            answer.body = rest.to_vec();
            answer.whole = end == Some(End::Fin);
            Some((answer, raw.len()))
        }
    }
}

pub(crate) fn send(
    drill: &Drill,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut client = Client::connect(drill);
    client.send(method, path, headers, body);
    client.answer(method)
}

pub(crate) fn post(drill: &Drill, path: &str, body: &str) -> Answer {
    send(drill, "POST", path, &[], body)
}

pub(crate) fn get(drill: &Drill, path: &str) -> Answer {
    send(drill, "GET", path, &[], "")
}
