//! The bytes of OTLP: protocol buffers, as much of them as spans need.
//!
//! Source: opentelemetry-proto 1.7, `trace/v1/trace.proto`, `common/v1/common.proto`; protobuf.dev, "Encoding"; seen
//! 2026-11. Written here, because the crates that write it bring a runtime, a thread and a reader of the environment of
//! their own for these two hundred lines.

/// A message as it grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

/// How a field's value is laid out.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

impl Message {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            let low = u8::try_from(value & 0x7F).unwrap_or(0);
            self.0.push(low | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap_or(0));
    }

    fn key(&mut self, field: u64, layout: u64) {
        self.raw_varint(field << 3 | layout);
    }

    pub(super) fn varint(&mut self, field: u64, value: u64) -> &mut Self {
        self.key(field, VARINT);
        self.raw_varint(value);
        self
    }

    pub(super) fn fixed64(&mut self, field: u64, value: u64) -> &mut Self {
        self.key(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn fixed32(&mut self, field: u64, value: u32) -> &mut Self {
        self.key(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn bytes(&mut self, field: u64, value: &[u8]) -> &mut Self {
        self.key(field, LENGTH);
        self.raw_varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn text(&mut self, field: u64, value: &str) -> &mut Self {
        self.bytes(field, value.as_bytes())
    }

    pub(super) fn message(&mut self, field: u64, build: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        build(&mut inner);
        self.bytes(field, &inner.0)
    }

    /// A message that is there already.
    pub(super) fn embed(&mut self, field: u64, message: &Self) -> &mut Self {
        self.bytes(field, &message.0)
    }

    /// An attribute: `KeyValue` with an `AnyValue`.
    pub(super) fn attribute(&mut self, field: u64, name: &str, value: Value<'_>) -> &mut Self {
        self.message(field, |pair| {
            pair.text(1, name).message(2, |any| {
                match value {
                    Value::Text(text) => any.text(1, text),
                    Value::Whole(number) => any.varint(3, number),
                    Value::Flag(flag) => any.varint(2, u64::from(flag)),
                };
            });
        })
    }
}

/// What an attribute may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Whole(u64),
    Flag(bool),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_laid_out_as_the_documentation_shows() {
        // Source: protobuf.dev, "Encoding", the examples Test1 (a = 150), Test2 (b = "testing") and Test3 (c = Test1).
        let mut message = Message::default();
        message.varint(1, 150);
        assert_eq!(message.0, [0x08, 0x96, 0x01]);
        let mut message = Message::default();
        message.text(2, "testing");
        assert_eq!(message.0, b"\x12\x07testing");
        let mut message = Message::default();
        message.message(3, |inner| {
            inner.varint(1, 150);
        });
        assert_eq!(message.0, [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let mut message = Message::default();
        message.fixed64(7, 1).fixed32(16, 2);
        assert_eq!(
            message.0,
            [0x39, 1, 0, 0, 0, 0, 0, 0, 0, 0x85, 0x01, 2, 0, 0, 0]
        );
    }
}
