//! A client that shares no code with the gateway: blocking, raw, and honest about how an answer ended.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Nothing in these tests takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request to be sent on a connection of its own.
pub(crate) struct Request {
    to: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) reason: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Whether the framing came to its end: the last chunk, or all of the announced length.
    pub(crate) whole: bool,
}

/// An answer that is being read.
pub(crate) struct Live {
    socket: TcpStream,
    bytes: Vec<u8>,
    head_only: bool,
}

impl Request {
    pub(crate) fn new(to: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            to,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another key than the rig's.
    pub(crate) fn authorized(mut self, value: &str) -> Self {
        self.headers.retain(|(name, _)| name != "authorization");
        self.header("authorization", value)
    }

    pub(crate) fn headers(mut self, headers: &[(&str, &str)]) -> Self {
        for (name, value) in headers {
            self = self.header(name, value);
        }
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The bytes as they go on the wire.
    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            write!(text, "host: {}\r\n", self.to).unwrap();
        }
        for (name, value) in &self.headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        if !self.body.is_empty() {
            let length = self.body.len();
            write!(
                text,
                "content-type: application/json\r\ncontent-length: {length}\r\n"
            )
            .unwrap();
        }
        text.push_str("connection: close\r\n\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Writes the request and gives back what will be read.
    pub(crate) fn start(&self) -> Live {
        let mut live = Live::connect(self.to);
        live.head_only = self.method == "HEAD";
        live.write(&self.bytes());
        live
    }

    pub(crate) fn send(&self) -> Reply {
        self.start().finish()
    }
}

impl Live {
    pub(crate) fn connect(to: SocketAddr) -> Self {
        let socket = TcpStream::connect(to).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            bytes: Vec::new(),
            head_only: false,
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// Writes as far as the peer takes it; false when it takes no more.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    /// Everything that has been read so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Reads until what has come holds these words.
    pub(crate) fn until(&mut self, words: &str) {
        while !self.text().contains(words) {
            assert!(
                self.more(),
                "the end came before {words:?}: {}",
                self.text()
            );
        }
    }

    /// Reads what comes next; false at the end.
    pub(crate) fn more(&mut self) -> bool {
        let mut piece = [0; 4096];
        let size = self.socket.read(&mut piece).unwrap();
        self.bytes.extend_from_slice(&piece[..size]);
        size > 0
    }

    /// Reads to the end of the connection.
    pub(crate) fn finish(mut self) -> Reply {
        self.drain();
        parse(&self.bytes, self.head_only)
    }

    /// Reads to the end of the connection; a reset is an end, too.
    pub(crate) fn drain(&mut self) {
        match self.socket.read_to_end(&mut self.bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("no end of the answer: {error}; so far {:?}", self.text()),
        }
    }
}

/// Sends raw bytes and reads what comes until the gateway closes.
pub(crate) fn raw(to: SocketAddr, bytes: &[u8]) -> Reply {
    let mut live = Live::connect(to);
    live.write(bytes);
    live.finish()
}

fn parse(bytes: &[u8], head_only: bool) -> Reply {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else {
        return Reply {
            status: 0,
            reason: "no whole head".to_owned(),
            headers: Vec::new(),
            body: String::from_utf8_lossy(bytes).into_owned(),
            whole: false,
        };
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let body = &bytes[end + 4..];
    let mut lines = head.split("\r\n");
    let mut status_line = lines.next().unwrap().splitn(3, ' ');
    status_line.next();
    let status: u16 = status_line.next().unwrap().parse().unwrap();
    let reason = status_line.next().unwrap_or_default().to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let find = |name: &str| {
        headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    };
    let (body, whole) = if find("transfer-encoding") == Some("chunked") {
        unchunk(body)
    } else {
        let length: usize = find("content-length").map_or(0, |length| length.parse().unwrap());
        // A 304 tells the length of what it does not repeat.
        let bodiless = head_only || status == 304;
        (body.to_vec(), bodiless || body.len() == length)
    };
    let body = String::from_utf8_lossy(&body).into_owned();
    Reply {
        status,
        reason,
        headers,
        body,
        whole,
    }
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n");
        let Some(line) = line else {
            return (body, false);
        };
        let size = std::str::from_utf8(&rest[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let after = &rest[line + 2..];
        let Some(data) = after.get(..size) else {
            body.extend_from_slice(after);
            return (body, false);
        };
        body.extend_from_slice(data);
        rest = after.get(size + 2..).unwrap_or_default();
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Our member of an error body, of either form.
    pub(crate) fn goodgate(&self) -> Value {
        let json = self.json();
        let member = json["error"]
            .get("goodgate")
            .or_else(|| json.get("goodgate"));
        member
            .cloned()
            .unwrap_or_else(|| panic!("no goodgate: {}", self.body))
    }

    /// The data of each server-sent event.
    pub(crate) fn events(&self) -> Vec<String> {
        let text = self.body.replace("\r\n", "\n");
        let data = |event: &str| {
            let lines = event
                .split('\n')
                .filter_map(|line| line.strip_prefix("data:"));
            let lines: Vec<_> = lines
                .map(|line| line.strip_prefix(' ').unwrap_or(line))
                .collect();
            (!lines.is_empty()).then(|| lines.join("\n"))
        };
        text.split("\n\n").filter_map(data).collect()
    }

    /// The last event, as JSON.
    pub(crate) fn last_event(&self) -> Value {
        let last = self.events().pop().unwrap_or_default();
        serde_json::from_str(&last).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The text that a chat answer says, whole or streamed.
    pub(crate) fn text(&self) -> String {
        let message = |value: &Value, member: &str| {
            value["choices"][0][member]["content"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        if self.body.trim_start().starts_with('{') {
            return message(&self.json(), "message");
        }
        let events = self.events();
        let chunks = events
            .iter()
            .filter_map(|event| serde_json::from_str::<Value>(event).ok());
        chunks.map(|chunk| message(&chunk, "delta")).collect()
    }
}
