//! `WebSocket`, and any other protocol that a connection is upgraded to: `/ws/echo`, `/ws/refuse`, `/ws/cut`, ...

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BytesMut};

use crate::answer::Answer;
use crate::faults::End;
use crate::http::Head;
use crate::json::object;
use crate::wire::Connection;

/// Source: RFC 6455, section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The largest message that is echoed.
const LARGEST: u64 = 16 * 1024 * 1024;

const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What is done to a client that asks for another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Everything comes back.
    Echo,
    /// The first message comes back, then the connection is reset.
    Cut,
    /// The first message comes back, then the server closes in order.
    Close,
    /// Nothing ever comes.
    Silent,
}

/// What a path asks for, where the request asks for another protocol.
pub(crate) fn behaviour(path: &str, head: &Head) -> Option<Behaviour> {
    head.header("upgrade")?;
    match asked(path)? {
        "echo" => Some(Behaviour::Echo),
        "cut" => Some(Behaviour::Cut),
        "close" => Some(Behaviour::Close),
        "silent" => Some(Behaviour::Silent),
        _ => None,
    }
}

/// The name behind `/ws/`, wherever in the path that stands.
fn asked(path: &str) -> Option<&str> {
    path.rsplit_once("/ws/").map(|(_, name)| name)
}

/// The answer of such a path where nothing is upgraded.
pub(crate) fn refusal(path: &str) -> Option<Answer> {
    let name = asked(path)?;
    let status = if name == "refuse" { 403 } else { 426 };
    let answer = Answer::json(
        status,
        &object! { "error" => format!("no upgrade here: {name}") },
    );
    Some(answer.with("upgrade", "websocket"))
}

/// Upgrades the connection and does as is asked, to its end.
pub(crate) async fn serve(mut connection: Connection, head: &Head, behaviour: Behaviour) {
    let protocol = head.header("upgrade").unwrap_or_default().to_owned();
    let is_websocket = protocol.eq_ignore_ascii_case("websocket");
    let line = |name: &str, value: &str| format!("{name}: {value}\r\n");
    let key = head.header("sec-websocket-key");
    let offered = head.header("sec-websocket-protocol");
    let first = offered.and_then(|offered| offered.split(',').next());
    let answer = [
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nx-from: drill\r\n".to_owned(),
        line("upgrade", &protocol),
        key.map_or_else(String::new, |key| {
            line("sec-websocket-accept", &accept(key))
        }),
        first.map_or_else(String::new, |one| {
            line("sec-websocket-protocol", one.trim())
        }),
        "\r\n".to_owned(),
    ]
    .concat();
    if !connection.write(answer.as_bytes()).await {
        return;
    }
    if behaviour == Behaviour::Silent {
        return connection.hold_unread().await;
    }
    loop {
        let message = if is_websocket {
            next_frame(&mut connection).await
        } else {
            next_bytes(&mut connection).await
        };
        let Some((opcode, message)) = message else {
            return connection.end(End::Close).await;
        };
        if !connection.write(&message).await || opcode == CLOSE {
            return connection.end(End::Close).await;
        }
        match behaviour {
            Behaviour::Cut => {
                // What was echoed must have left before the reset throws it away.
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                return connection.end(End::Reset).await;
            }
            Behaviour::Close => {
                if is_websocket && !connection.write(&frame(CLOSE, &[0x03, 0xe8])).await {
                    return;
                }
                return connection.end(End::Close).await;
            }
            Behaviour::Echo | Behaviour::Silent => {}
        }
    }
}

fn accept(key: &str) -> String {
    let text = format!("{key}{GUID}");
    STANDARD.encode(digest::digest(
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
        text.as_bytes(),
    ))
}

/// Whatever has come.
async fn next_bytes(connection: &mut Connection) -> Option<(u8, Vec<u8>)> {
    while connection.input.is_empty() {
        if !matches!(connection.read().await, Ok(true)) {
            return None;
        }
    }
    let bytes = connection.input.split();
    Some((0, bytes.to_vec()))
}

/// The next frame and what is sent back for it.
async fn next_frame(connection: &mut Connection) -> Option<(u8, Vec<u8>)> {
    loop {
        if let Some(echoed) = take_frame(&mut connection.input)? {
            return Some(echoed);
        }
        if !matches!(connection.read().await, Ok(true)) {
            return None;
        }
    }
}

/// Takes a frame off the buffer, if it is whole; none at all when it is no frame of a client's.
/// Source: RFC 6455, section 5.2.
#[expect(
    clippy::option_option,
    reason = "no frame yet, and never one, are two things"
)]
fn take_frame(input: &mut BytesMut) -> Option<Option<(u8, Vec<u8>)>> {
    let [first, second, ..] = **input else {
        return Some(None);
    };
    let (short, is_masked) = (second & 0x7f, second & 0x80 != 0);
    let (extended, mut at) = match short {
        126 => (2, 4),
        127 => (8, 10),
        _ => (0, 2),
    };
    let Some(length) = input.get(2..2 + extended) else {
        return Some(None);
    };
    let length = match extended {
        0 => u64::from(short),
        _ => length
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    };
    if !is_masked || length > LARGEST {
        return None;
    }
    let Some(mask) = input.get(at..at + 4).map(<[u8]>::to_vec) else {
        return Some(None);
    };
    at += 4;
    let length = usize::try_from(length).ok()?;
    if input.len() < at + length {
        return Some(None);
    }
    input.advance(at);
    let mut payload = input.split_to(length).to_vec();
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    let opcode = first & 0x0f;
    let sent = if opcode == PING { PONG } else { opcode };
    Some(Some((opcode, frame_of(first & 0xf0 | sent, &payload))))
}

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame_of(0x80 | opcode, payload)
}

fn frame_of(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(u8::try_from(length).unwrap_or(0)),
        Ok(length) => {
            frame.push(126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            frame.push(127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_is_accepted() {
        // Source: RFC 6455, section 1.3.
        assert_eq!(
            accept("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn frames_are_echoed_unmasked_and_pings_answered() {
        // "Hello", masked. Source: RFC 6455, section 5.7.
        let hello = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        for cut in 0..hello.len() {
            let mut input = BytesMut::from(&hello[..cut]);
            assert_eq!(take_frame(&mut input), Some(None), "{cut}");
        }
        let mut input = BytesMut::from(&hello[..]);
        assert_eq!(
            take_frame(&mut input),
            Some(Some((1, b"\x81\x05Hello".to_vec())))
        );
        let mut ping = BytesMut::from(&hello[..]);
        ping[0] = 0x89;
        assert_eq!(
            take_frame(&mut ping),
            Some(Some((PING, b"\x8a\x05Hello".to_vec())))
        );
        assert_eq!(take_frame(&mut BytesMut::from(&[0x81, 0x05][..])), None);
    }
}
