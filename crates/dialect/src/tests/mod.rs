//! Tests over all dialects: fixtures with their snapshots, and what must hold for any bytes.

mod accounting;
mod fixtures;
mod properties;

use serde_json::Value;

use crate::canonical::{Event, Loss};
use crate::{
    CallError, Dialect, Encoding, ReplyFault, ReplyFrame, StreamDecoder, StreamEncoder,
    StreamFault, decode_call, decode_reply, encode_call, encode_reply,
};

/// The frame of every answer in tests.
pub(crate) fn frame() -> ReplyFrame {
    ReplyFrame {
        id: "chatcmpl-test".into(),
        created: 1_790_000_000,
        model: "asked".into(),
        include_usage: true,
    }
}

/// What a client's call becomes.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) text: String,
    pub(crate) body: Value,
    pub(crate) losses: Vec<Loss>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Sent {
    /// The fields that were lost.
    pub(crate) fn lost(&self) -> Vec<&str> {
        self.losses.iter().map(|loss| &*loss.field).collect()
    }
}

fn parsed(body: impl AsRef<[u8]>) -> Value {
    serde_json::from_slice(body.as_ref()).unwrap()
}

/// A client's call, sent.
pub(crate) fn send_text(
    dialect: Dialect,
    call: &str,
    encoding: &Encoding<'_>,
) -> Result<Sent, CallError> {
    let call = decode_call(Dialect::OpenaiChat, call.as_bytes())?;
    let sent = encode_call(dialect, &call, encoding)?;
    let text = String::from_utf8_lossy(&sent.body).into_owned();
    Ok(Sent {
        body: parsed(sent.body),
        text,
        losses: sent.losses,
        headers: sent.headers,
    })
}

/// A client's call with one message and these members, sent to a model named `served`.
pub(crate) fn send(dialect: Dialect, members: &Value) -> Result<Sent, CallError> {
    let mut call =
        serde_json::json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (key, value) in members.as_object().unwrap() {
        call[key] = value.clone();
    }
    send_text(
        dialect,
        &call.to_string(),
        &Encoding {
            model: "served",
            ..Encoding::default()
        },
    )
}

/// What a server's whole answer becomes for a client.
pub(crate) fn answer(dialect: Dialect, body: &str) -> Result<Value, ReplyFault> {
    let reply = decode_reply(dialect, body.as_bytes())?;
    Ok(parsed(encode_reply(Dialect::OpenaiChat, &reply, &frame())))
}

/// The events of a stream that came in these pieces, and how it ended.
pub(crate) fn events(dialect: Dialect, pieces: &[&[u8]]) -> (Vec<Event>, Result<(), StreamFault>) {
    let mut decoder = StreamDecoder::new(dialect);
    let mut out = Vec::new();
    let pushed = pieces
        .iter()
        .try_for_each(|piece| decoder.push(piece, &mut out));
    let result = pushed.and_then(|()| decoder.finish(&mut out));
    (out, result)
}

/// What events become for a client, as it reads them.
pub(crate) fn written(events: &[Event]) -> String {
    let mut encoder = StreamEncoder::new(Dialect::OpenaiChat, frame());
    let mut out = Vec::new();
    for event in events {
        encoder.encode(event, &mut out);
    }
    encoder.finish(&mut out);
    String::from_utf8(out).unwrap()
}

/// The JSON of each event of a written stream.
pub(crate) fn chunks(stream: &str) -> Vec<Value> {
    let data = stream
        .split_terminator("\n\n")
        .filter_map(|event| event.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}
