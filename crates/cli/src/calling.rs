//! Makes calls to a gateway, as a program with a key does.

use std::time::Duration;

use bytes::Bytes;
use dialect::{Dialect, Tap};
use http::{Method, StatusCode};
use serde_json::Value;
use types::{Clock, Deadline};
use upstream::{Client, Destination, Outgoing, Timers};

/// The largest answer that is read.
const MAX_ANSWER: u64 = 32 << 20;

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The status.
    pub(crate) status: StatusCode,
    /// The gateway's id of it.
    pub(crate) id: Option<String>,
    /// `x-goodgate-outcome`, as it stood in the head.
    pub(crate) outcome: Option<String>,
    /// The target that served it.
    pub(crate) served_by: Option<String>,
    /// Whether the whole answer came: a status of success, and a stream to its end.
    pub(crate) whole: bool,
    /// The body of a whole answer, or of an error.
    pub(crate) body: Bytes,
    /// Until the head came.
    pub(crate) head_after: Duration,
    /// Until the end.
    pub(crate) took: Duration,
}

/// A place to call.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    client: Client,
    destination: Destination,
    block: String,
}

impl Caller {
    /// Calls the gateway at `host:port` with a key.
    pub(crate) fn new(client: Client, address: &str, key: &str) -> Self {
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "4000"));
        Self {
            client,
            destination: Destination::plain(host, port.parse().unwrap_or(4000)),
            block: format!(
                "host: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\nuser-agent: goodgate-cli\r\n"
            ),
        }
    }

    /// Makes a call in OpenAI's chat form; `piece` gets the text of a stream as it comes.
    ///
    /// # Errors
    /// One line, where there is no answer at all.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection, which ends the call.
    pub(crate) async fn chat(
        &self,
        clock: &dyn Clock,
        body: &Value,
        patience: Duration,
        mut piece: impl FnMut(&str),
    ) -> Result<Ended, String> {
        let started = clock.now();
        let took = || clock.now().saturating_duration_since(started);
        let deadline = Deadline::after(started, patience);
        let outgoing = Outgoing {
            fixed_headers: self.block.as_bytes(),
            body: vec![Bytes::from(body.to_string())].into(),
            ..Outgoing::new(&Method::POST, "/v1/chat/completions")
        };
        let timers = Timers {
            header: patience,
            ..Timers::until(deadline)
        };
        let mut answer = self
            .client
            .send(&self.destination, outgoing, &timers)
            .await
            .map_err(|evidence| diagnosis::judge(&evidence).full_line)?;
        let text = |name: &str| answer.headers.text(name).map(str::to_owned);
        let mut ended = Ended {
            status: answer.status,
            id: text("x-request-id"),
            outcome: text("x-goodgate-outcome"),
            served_by: text("x-goodgate-served-by"),
            whole: false,
            body: Bytes::new(),
            head_after: took(),
            took: Duration::ZERO,
        };
        let streams =
            text("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        if streams {
            let mut tap = Tap::new(Dialect::OpenaiChat, false);
            let mut good = true;
            while good && let Some(next) = answer.body.next(patience, deadline).await {
                let mut items = Vec::new();
                good = next.is_ok_and(|bytes| tap.push(bytes, &mut items).is_ok());
                for item in items {
                    pieces(&item.bytes, &mut piece);
                }
            }
            ended.whole = good && tap.is_over();
        } else {
            let body = answer.body.read_all(MAX_ANSWER, patience, deadline).await;
            ended.whole = body.is_ok() && answer.status.is_success();
            ended.body = body.unwrap_or_default();
        }
        ended.took = took();
        Ok(ended)
    }
}

/// The text of each chunk.
fn pieces(events: &[u8], piece: &mut impl FnMut(&str)) {
    let events = String::from_utf8_lossy(events);
    for data in events.lines().filter_map(|line| line.strip_prefix("data:")) {
        let Ok(chunk) = serde_json::from_str::<Value>(data.trim()) else {
            continue;
        };
        if let Some(text) = chunk
            .pointer("/choices/0/delta/content")
            .and_then(Value::as_str)
        {
            piece(text);
        }
    }
}
