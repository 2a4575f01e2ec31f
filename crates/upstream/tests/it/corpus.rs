//! Odd answers as data: our verdict on each is written beside it, and listed beside that of hyper's client.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use diagnosis::Fault;
use http_body_util::{BodyExt, Empty};
use http1::{Asked, Parsed, parse_all};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use upstream::MAXIMUM_HEAD;

/// One odd answer.
pub(crate) struct Case {
    pub(crate) name: String,
    what: String,
    pub(crate) asked: Asked,
    ours: String,
    pub(crate) bytes: Vec<u8>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

pub(crate) fn cases() -> Vec<Case> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Case {
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let (head, body) = text
        .split_once("\n---\n")
        .unwrap_or_else(|| panic!("{name}: no ---"));
    let line = |start: &str| {
        let found = head.lines().find_map(|line| line.strip_prefix(start));
        found
            .unwrap_or_else(|| panic!("{name}: no {start:?}"))
            .to_owned()
    };
    let asked = match line("asked: ").as_str() {
        "HEAD" => Asked::Head,
        "GET" => Asked::Other,
        other => panic!("{name}: asked {other}"),
    };
    Case {
        what: line("# "),
        asked,
        ours: line("ours: "),
        bytes: unescape(&body.replace('\n', "")),
        name,
    }
}

/// `\r`, `\n`, `\t`, `\xNN`, and `{repeat N text}`; ASCII otherwise.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(inner) = rest.strip_prefix("{repeat ") {
            let (directive, after) = inner.split_once('}').unwrap();
            let (count, what) = directive.split_once(' ').unwrap();
            bytes.extend(unescape(what).repeat(count.parse().unwrap()));
            rest = after;
            continue;
        }
        let (byte, length) = match rest.split_at_checked(2).map(|(start, _)| start) {
            Some(r"\r") => (b'\r', 2),
            Some(r"\n") => (b'\n', 2),
            Some(r"\t") => (b'\t', 2),
            Some(r"\x") => (u8::from_str_radix(rest.get(2..4).unwrap(), 16).unwrap(), 4),
            _ => (u8::try_from(character).unwrap(), 1),
        };
        bytes.push(byte);
        rest = rest.get(length..).unwrap();
    }
    bytes
}

/// A verdict in words.
fn describe(parsed: &Parsed) -> String {
    let mut words = Vec::new();
    if let Some(status) = parsed.status {
        words.push(status.to_string());
        words.push(format!("{:?}", String::from_utf8_lossy(&parsed.body)));
    }
    match &parsed.fault {
        Some(fault) if words.is_empty() => words.push(fault_word(fault)),
        Some(fault) => words.push(format!("then {}", fault_word(fault))),
        None => {
            if parsed.trailers.is_some() {
                words.push("trailers".to_owned());
            }
            if parsed.surplus > 0 {
                words.push(format!("{} bytes too many", parsed.surplus));
            }
            words.push(
                if parsed.reusable {
                    "reusable"
                } else {
                    "closed"
                }
                .to_owned(),
            );
        }
    }
    words.join(", ")
}

fn fault_word(fault: &Fault) -> String {
    match fault {
        Fault::Framing { what, .. } => format!("framing: {what}"),
        Fault::NotHttp { .. } => "not_http".to_owned(),
        Fault::HeadTooLarge { .. } => "head_too_large".to_owned(),
        Fault::BodyTruncated => "body_truncated".to_owned(),
        Fault::Closed => "closed".to_owned(),
        other => panic!("{other:?}"),
    }
}

/// What hyper's client makes of an answer: status and body, or its error in words.
struct Theirs {
    status: Option<u16>,
    body: Vec<u8>,
    error: Option<String>,
}

async fn hyper_reads(case: &Case) -> Theirs {
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let answer = case.bytes.clone();
    let serve = async move {
        // hyper refuses bytes that come before its request.
        let mut request = [0u8; 1];
        tokio::io::AsyncReadExt::read_exact(&mut far, &mut request)
            .await
            .unwrap();
        // The client may hang up before all is written.
        drop(far.write_all(&answer).await);
        drop(far.shutdown().await);
        far
    };
    let method = if case.asked == Asked::Head {
        "HEAD"
    } else {
        "GET"
    };
    let request = http::Request::builder()
        .method(method)
        .uri("/")
        .header("host", "test")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(near))
        .await
        .unwrap();
    let call = async move {
        let response = match sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => {
                return Theirs {
                    status: None,
                    body: Vec::new(),
                    error: Some(chain(&error)),
                };
            }
        };
        let status = Some(response.status().as_u16());
        let mut incoming = response.into_body();
        let mut body = Vec::new();
        let mut error = None;
        while let Some(frame) = incoming.frame().await {
            match frame {
                Ok(frame) => body.extend(frame.into_data().unwrap_or_default()),
                Err(cause) => {
                    error = Some(chain(&cause));
                    break;
                }
            }
        }
        Theirs {
            status,
            body,
            error,
        }
    };
    let (theirs, _, _) = tokio::join!(call, serve, connection.with_upgrades());
    theirs
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        next = source.source();
    }
    words
}

fn describe_theirs(theirs: &Theirs) -> String {
    let mut words = Vec::new();
    if let Some(status) = theirs.status {
        words.push(status.to_string());
        words.push(format!("{:?}", String::from_utf8_lossy(&theirs.body)));
    }
    if let Some(error) = &theirs.error {
        words.push(if words.is_empty() {
            error.clone()
        } else {
            format!("then {error}")
        });
    }
    words.join(", ")
}

fn compare(ours: &Parsed, theirs: &Theirs) -> &'static str {
    match (&ours.fault, &theirs.error) {
        (None, None) if ours.status == theirs.status && ours.body == theirs.body => "same",
        (None, None) => "differs",
        (Some(_), Some(_)) => "same",
        (Some(_), None) => "stricter",
        (None, Some(_)) => "laxer",
    }
}

#[test]
fn every_odd_answer_has_the_verdict_written_beside_it() {
    let mut wrong = String::new();
    for case in cases() {
        let parsed = parse_all([case.bytes.as_slice()], case.asked, MAXIMUM_HEAD);
        let found = describe(&parsed);
        if found != case.ours {
            writeln!(
                wrong,
                "{}\n  wanted {}\n  found  {found}",
                case.name, case.ours
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

const INTRODUCTION: &str = "\
# How the HTTP/1.1 codec reads odd answers

<!-- Made by the tests of crates/upstream from tests/corpus; change those, not this. -->

Upstreams speak HTTP/1.1 in many accents. Below is what our client codec makes of each, beside what hyper's client
makes of the same bytes followed by the end of the connection. \"Stricter\" means that we refuse what hyper accepts.

What was decided, and why:

- **Bare line feeds** end lines of a head, as for hyper and most servers (RFC 9112, 2.2 allows it). In the framing of
  chunks they are refused, as hyper and llhttp do: there two readers could see two messages.
- **Length and chunks at once, differing lengths, transfer codings other than `chunked`, chunks under HTTP/1.0** are
  refused: a proxy that guesses hands the guess on. The same length twice is one length (RFC 9110, 8.6).
- **Folded headers** are refused; RFC 9112, 5.2 lets a proxy choose between that and joining the lines.
- **Interim answers** (1xx) are skipped and count towards the limit of the head; 101 is refused where no upgrade was asked
  for.
- **Heads** are limited to 64 KiB and 128 headers, **chunk extensions and trailers** to 16 KiB together.
- **Bytes after the body** are never read as another answer: the connection is closed.

| answer | ours | hyper's client | |
| --- | --- | --- | --- |
";

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('\r', "\\r")
        .replace('\n', "\\n")
}

#[tokio::test]
async fn the_page_of_verdicts_beside_hypers_is_up_to_date() {
    let mut page = INTRODUCTION.to_owned();
    for case in cases() {
        let ours = parse_all([case.bytes.as_slice()], case.asked, MAXIMUM_HEAD);
        let theirs = hyper_reads(&case).await;
        writeln!(
            page,
            "| {} (`{}`) | {} | {} | {} |",
            cell(&case.what),
            case.name,
            cell(&describe(&ours)),
            cell(&describe_theirs(&theirs)),
            compare(&ours, &theirs)
        )
        .unwrap();
    }
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/http1-codec.md");
    let known = std::fs::read_to_string(&kept).unwrap_or_default();
    if known != page {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("http1-codec.md");
        std::fs::write(&new, page).unwrap();
        panic!(
            "docs/http1-codec.md is out of date; copy {} over it and read what changed",
            new.display()
        );
    }
}
