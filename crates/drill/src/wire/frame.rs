//! From an answer and its faults to steps: head, framing, cuts, pauses, lies.

use std::time::Duration;

use bytes::Bytes;

use super::{Plan, Step, head};
use crate::answer::{Answer, Body, EventKind};
use crate::faults::{
    ChunkLie, End, Fault, HeadQuirk, KeepAliveLie, LengthLie, Part, Point, RawBytes,
};

/// What the request and the script say about the framing of its answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// HTTP/1.0 asked: no chunks.
    pub(crate) http10: bool,
    /// HEAD asked: no body.
    pub(crate) head_only: bool,
    /// The client lets the connection live.
    pub(crate) keep_alive: bool,
    /// The body is cut into pieces of so many bytes, each a chunk and a write of its own.
    pub(crate) split: Option<usize>,
    /// The pause between two pieces of the body.
    pub(crate) pace: Option<Duration>,
}

/// How the body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delimited {
    Length,
    Chunks,
    Close,
}

/// A part of an answer on its way to the socket.
#[derive(Clone, Debug)]
enum Unit {
    Head(Bytes),
    /// Framed bytes of the body; whether an event that carries content ends with it.
    Body(Bytes, bool),
    /// The last chunk.
    End(Bytes),
    Step(Step),
}

/// Everything that is done for one answer.
pub(crate) fn plan(answer: &Answer, faults: &[Fault], manner: Manner) -> Plan {
    if let Some(raw) = faults.iter().find_map(raw_bytes) {
        let steps = vec![Step::Write(raw), Step::End(End::Close)];
        return Plan {
            steps,
            keep: false,
            after: None,
        };
    }
    let delimited = delimited(answer, faults, manner);
    let after = keep_alive_lie(faults);
    let says_close = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close")
    };
    let ends = delimited == Delimited::Close
        || faults.iter().any(must_end)
        || answer.headers.iter().any(says_close);
    let keep = manner.keep_alive && !ends;
    let head = head::build(
        answer,
        faults,
        &head::Framing {
            chunked: delimited == Delimited::Chunks,
            length: (delimited == Delimited::Length).then(|| answer.body_bytes().len()),
            close: !keep && delimited != Delimited::Close,
            http10: manner.http10 || has_quirk(faults, HeadQuirk::Http10),
        },
    );
    let mut units = vec![Unit::Head(Bytes::from(head))];
    if !manner.head_only && !has_quirk(faults, HeadQuirk::NotModified) {
        units.extend(body_units(answer, faults, manner, delimited));
    }
    for fault in faults {
        apply(fault, &mut units);
    }
    let mut steps = Vec::with_capacity(units.len());
    for unit in units {
        steps.extend(to_steps(unit, faults));
    }
    // A connection that lies about its life ends without having said so.
    let keep = keep && after != Some(KeepAliveLie::CloseAfter);
    Plan { steps, keep, after }
}

fn has_quirk(faults: &[Fault], wanted: HeadQuirk) -> bool {
    faults
        .iter()
        .any(|f| matches!(f, Fault::Head { quirk } if *quirk == wanted))
}

fn keep_alive_lie(faults: &[Fault]) -> Option<KeepAliveLie> {
    faults.iter().find_map(|fault| match fault {
        Fault::KeepAlive { lie } => Some(*lie),
        _ => None,
    })
}

fn delimited(answer: &Answer, faults: &[Fault], manner: Manner) -> Delimited {
    let chunk_lie = faults.iter().any(|f| matches!(f, Fault::Chunks { .. }));
    let length_lie = faults.iter().any(|f| matches!(f, Fault::Length { .. }));
    let with_chunked = faults.iter().any(|f| {
        matches!(
            f,
            Fault::Length {
                lie: LengthLie::WithChunked
            }
        )
    });
    let by_close = has_quirk(faults, HeadQuirk::CloseDelimited)
        || has_quirk(faults, HeadQuirk::Http10)
        || (manner.http10 && answer.is_stream());
    if by_close {
        Delimited::Close
    } else if with_chunked || chunk_lie || (answer.is_stream() && !length_lie) {
        Delimited::Chunks
    } else {
        Delimited::Length
    }
}

/// Faults after which no further request could be told from the rest of this one.
fn must_end(fault: &Fault) -> bool {
    match fault {
        Fault::Length { lie } => *lie != LengthLie::Twice,
        Fault::Chunks { lie } => !matches!(lie, ChunkLie::Extensions | ChunkLie::Trailers),
        Fault::Head { quirk } => {
            use HeadQuirk as Q;
            !matches!(
                quirk,
                Q::BareLf | Q::ContinueFirst | Q::EarlyHints | Q::NoReason | Q::Folded
            )
        }
        _ => false,
    }
}

fn raw_bytes(fault: &Fault) -> Option<Bytes> {
    let Fault::Raw { bytes } = fault else {
        return None;
    };
    Some(Bytes::from_static(match bytes {
        RawBytes::SshBanner => b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
        RawBytes::Http2Settings => {
            b"\x00\x00\x0c\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\x00\x04\x00\x01\x00\x00"
        }
        RawBytes::TlsAlert => b"\x15\x03\x01\x00\x02\x02\x0a",
        RawBytes::BadStatusLine => b"HTTP/1.1200 OK\r\ncontent-length: 2\r\n\r\n{}",
        RawBytes::BadStatus => b"HTTP/1.1 2OO OK\r\ncontent-length: 2\r\n\r\n{}",
        RawBytes::Garbage => b"\x00\xff\xfe\x01drill\x7f\x80\r\n\r\n",
        RawBytes::NoHead => b"<html><body>It works!</body></html>\n",
    }))
}

fn body_units(answer: &Answer, faults: &[Fault], manner: Manner, how: Delimited) -> Vec<Unit> {
    let mut pieces = Vec::new();
    match &answer.body {
        Body::Whole(bytes) => cut(bytes, true, manner.split, &mut pieces),
        Body::Events(events) => {
            for event in events {
                cut(
                    &event.bytes,
                    event.kind == EventKind::Content,
                    manner.split,
                    &mut pieces,
                );
            }
        }
    }
    let lie = faults.iter().find_map(|f| match f {
        Fault::Chunks { lie } => Some(*lie),
        _ => None,
    });
    let middle = pieces.len() / 2;
    let mut units = Vec::with_capacity(pieces.len().saturating_add(1));
    for (n, (bytes, content)) in pieces.into_iter().enumerate() {
        if let (Some(pace), true) = (manner.pace, n > 0) {
            units.push(Unit::Step(Step::Pause(pace)));
        }
        let framed = if how == Delimited::Chunks {
            chunk(
                &bytes,
                lie.filter(|lie| n == middle || *lie == ChunkLie::Extensions),
            )
        } else {
            bytes
        };
        units.push(Unit::Body(framed, content));
        let broken = matches!(lie, Some(ChunkLie::ShortChunk | ChunkLie::NoEnd));
        if broken && n == middle {
            units.push(Unit::Step(Step::End(End::Close)));
        }
    }
    if how == Delimited::Chunks && lie != Some(ChunkLie::NoLast) {
        let trailers = match lie {
            Some(ChunkLie::Trailers) => "0\r\nx-drill-trailer: 1\r\nserver-timing: drill\r\n\r\n",
            _ => "0\r\n\r\n",
        };
        units.push(Unit::End(Bytes::from_static(trailers.as_bytes())));
    }
    units
}

/// Cuts bytes into pieces; the last one of an event that carries content is marked.
fn cut(bytes: &Bytes, content: bool, split: Option<usize>, pieces: &mut Vec<(Bytes, bool)>) {
    let size = split.unwrap_or(usize::MAX).max(1);
    let mut rest = bytes.clone();
    while !rest.is_empty() {
        let piece = rest.split_to(rest.len().min(size));
        pieces.push((piece, content && rest.is_empty()));
    }
}

fn chunk(bytes: &[u8], lie: Option<ChunkLie>) -> Bytes {
    let size = match lie {
        Some(ChunkLie::BadSize) => "zz".to_owned(),
        Some(ChunkLie::HugeSize) => "ffffffffffffffffff".to_owned(),
        Some(ChunkLie::ShortChunk) => format!("{:x}", bytes.len().saturating_add(64)),
        Some(ChunkLie::Extensions) => format!("{:x};drill=\"1\"", bytes.len()),
        _ => format!("{:x}", bytes.len()),
    };
    let end: &[u8] = match lie {
        Some(ChunkLie::NoEnd) => b"XX",
        _ => b"\r\n",
    };
    Bytes::from([size.as_bytes(), b"\r\n", bytes, end].concat())
}

/// Puts pauses, stalls and ends where a fault wants them.
fn apply(fault: &Fault, units: &mut Vec<Unit>) {
    match fault {
        Fault::Delay { at, ms } => {
            let index = cut_at(units, *at);
            units.insert(index, Unit::Step(Step::Pause(Duration::from_millis(*ms))));
        }
        Fault::Stall { at } => end_at(units, *at, Step::Stall),
        Fault::Break { at, by } => {
            // What was written must have left before a reset throws it away.
            let index = cut_at(units, *at);
            units.truncate(index);
            if *by == End::Reset && *at != Point::BeforeHead {
                units.push(Unit::Step(Step::Pause(Duration::from_millis(20))));
            }
            units.push(Unit::Step(Step::End(*by)));
        }
        Fault::Pings { every_ms } => {
            let chunked = units.iter().any(|unit| matches!(unit, Unit::End(_)));
            let ping = b": ping\n\n";
            let ping = if chunked {
                chunk(ping, None)
            } else {
                Bytes::from_static(ping)
            };
            let every = Duration::from_millis((*every_ms).max(1));
            end_at(units, Point::AfterHead, Step::Repeat(ping, every));
        }
        Fault::Length {
            lie: LengthLie::TooLarge,
        } => {
            units.push(Unit::Step(Step::End(End::Close)));
        }
        Fault::Head {
            quirk: HeadQuirk::EndlessInterim,
        } => {
            let interim = Bytes::from_static(b"HTTP/1.1 102 Processing\r\n\r\n");
            end_at(
                units,
                Point::BeforeHead,
                Step::Repeat(interim, Duration::from_millis(20)),
            );
        }
        Fault::Head {
            quirk: HeadQuirk::Endless,
        } => {
            let line = Bytes::from(format!("x-drill: {}\r\n", "x".repeat(1000)));
            let mut index = cut_at(units, Point::MidHead);
            units.truncate(index);
            units.push(Unit::Head(Bytes::from_static(b"\r\n")));
            index = units.len();
            end_at_index(units, index, Step::Repeat(line, Duration::from_millis(1)));
        }
        _ => {}
    }
}

fn end_at(units: &mut Vec<Unit>, at: Point, step: Step) {
    let index = cut_at(units, at);
    end_at_index(units, index, step);
}

fn end_at_index(units: &mut Vec<Unit>, index: usize, step: Step) {
    units.truncate(index);
    units.push(Unit::Step(step));
}

/// Makes a border between units at a point, and tells the index of the unit after it.
fn cut_at(units: &mut Vec<Unit>, at: Point) -> usize {
    let head = units
        .iter()
        .position(|u| matches!(u, Unit::Head(_)))
        .unwrap_or(0);
    match at {
        Point::BeforeHead => head,
        Point::MidHead => halve(units, head, |length| length / 2),
        Point::AfterHead => head.saturating_add(1),
        Point::MidBody => {
            let bodies: Vec<usize> = body_indices(units, |_| true);
            match bodies.get(bodies.len() / 2) {
                Some(middle) => halve(units, *middle, |length| length / 2),
                None => units.len(),
            }
        }
        Point::AfterEvents(0) => {
            let lifecycle = body_indices(units, |_| true).len();
            let first = body_indices(units, |content| content).first().copied();
            first.unwrap_or_else(|| head.saturating_add(1).saturating_add(lifecycle))
        }
        Point::AfterEvents(n) => {
            let content = body_indices(units, |content| content);
            let last = content
                .get(n.saturating_sub(1))
                .or_else(|| content.last())
                .copied();
            last.map_or(units.len(), |index| index.saturating_add(1))
        }
        Point::BeforeEnd => {
            if let Some(end) = units.iter().position(|u| matches!(u, Unit::End(_))) {
                return end;
            }
            match body_indices(units, |_| true).last().copied() {
                Some(last) => halve(units, last, |length| length.saturating_sub(1)),
                None => units.len(),
            }
        }
    }
}

fn body_indices(units: &[Unit], wanted: impl Fn(bool) -> bool) -> Vec<usize> {
    let is_wanted = |unit: &Unit| matches!(unit, Unit::Body(_, content) if wanted(*content));
    units
        .iter()
        .enumerate()
        .filter(|(_, unit)| is_wanted(unit))
        .map(|(n, _)| n)
        .collect()
}

/// Cuts a unit in two; the index of the second comes back.
fn halve(units: &mut Vec<Unit>, index: usize, place: impl Fn(usize) -> usize) -> usize {
    let second = index.saturating_add(1);
    let rest = match units.get_mut(index) {
        Some(Unit::Head(bytes)) => Unit::Head(bytes.split_off(place(bytes.len()))),
        Some(Unit::Body(bytes, content)) => {
            let rest = Unit::Body(bytes.split_off(place(bytes.len())), *content);
            *content = false;
            rest
        }
        _ => return second,
    };
    units.insert(second, rest);
    second
}

fn to_steps(unit: Unit, faults: &[Fault]) -> Vec<Step> {
    let (bytes, part) = match unit {
        Unit::Head(bytes) => (bytes, Part::Head),
        Unit::Body(bytes, _) | Unit::End(bytes) => (bytes, Part::Body),
        Unit::Step(step) => return vec![step],
    };
    let drip = faults.iter().find_map(|fault| match fault {
        Fault::Drip {
            bytes,
            every_ms,
            part: wanted,
        } if *wanted == Part::All || *wanted == part => {
            Some(((*bytes).max(1), Duration::from_millis(*every_ms)))
        }
        _ => None,
    });
    let Some((size, every)) = drip else {
        return vec![Step::Write(bytes)];
    };
    let mut pieces = Vec::new();
    cut(&bytes, false, Some(size), &mut pieces);
    pieces
        .into_iter()
        .flat_map(|(piece, _)| [Step::Write(piece), Step::Pause(every)])
        .collect()
}
