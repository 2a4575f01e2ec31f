//! The requests that are sent: one chat call of about 1 KB, whole or streamed, and plain GETs.

use std::net::SocketAddr;

/// Whether the answer comes whole or as a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One JSON body of about 1 KB.
    Whole,
    /// Server-sent events, with usage asked for.
    Stream,
}

/// A chat call as the OpenAI SDKs send it, with a body of about 1 KB.
pub(crate) fn chat_request(
    address: SocketAddr,
    key: Option<&str>,
    shape: Shape,
    model: &str,
) -> Vec<u8> {
    let text = "Explain to a new colleague how a gateway keeps a call alive. ".repeat(12);
    let tail = match shape {
        Shape::Whole => "",
        Shape::Stream => r#","stream":true,"stream_options":{"include_usage":true}"#,
    };
    let body = format!(
        concat!(
            r#"{{"model":"{}","messages":[{{"role":"system","content":"You are a helpful assistant "#,
            r#"who answers in short sentences, names the cause first and the remedy second, and says "#,
            r#"so where something is not known."}},{{"role":"user","content":"{}"}}],"#,
            r#""temperature":0.2,"max_tokens":256{}}}"#
        ),
        model,
        text.trim(),
        tail
    );
    format!(
        concat!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\n{}Accept: application/json\r\n",
            "User-Agent: goodgate-bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}"
        ),
        address,
        authorization(key),
        body.len(),
        body
    )
    .into_bytes()
}

/// A GET of `path`.
pub(crate) fn get_request(address: SocketAddr, key: Option<&str>, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\n{}Accept: application/json\r\n\r\n",
        authorization(key)
    )
    .into_bytes()
}

fn authorization(key: Option<&str>) -> String {
    key.map(|key| format!("Authorization: Bearer {key}\r\n"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Shape, chat_request};

    #[test]
    fn a_chat_call_is_valid_json_of_about_one_kilobyte() {
        for shape in [Shape::Whole, Shape::Stream] {
            let address = "127.0.0.1:1".parse().unwrap();
            let request = chat_request(address, Some("sk"), shape, "bench");
            let text = String::from_utf8(request).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains("Authorization: Bearer sk"));
            assert!((900..1150).contains(&body.len()), "{} bytes", body.len());
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["model"], "bench");
            assert_eq!(
                body["stream"].as_bool().unwrap_or(false),
                shape == Shape::Stream
            );
        }
    }
}
