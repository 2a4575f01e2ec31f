//! Text to a tree with places: YAML 1.2, and so JSON.
//!
//! Everything wrong is reported, but after a syntax error nothing that follows can be trusted and only it is told.
//! Whatever the text, the work is bounded: 1 MiB, 10,000 nodes with aliases counted at full size, 64 levels.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, Tag};

use crate::diagnostic::Span;

/// The largest text.
const MAX_BYTES: usize = 1 << 20;
/// The most nodes, those that aliases repeat included.
const MAX_NODES: usize = 10_000;
/// The deepest nesting.
const MAX_DEPTH: usize = 64;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) spot: Spot,
}

/// Where a value is from: a place in the file, or the variable or flag that overrides the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) span: Span,
    pub(crate) origin: Option<std::rc::Rc<str>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// The text; whether it was quoted.
    Scalar(String, Quoted),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quoted {
    Yes,
    No,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_spot: Spot,
    pub(crate) node: Node,
}

/// Something wrong with the text itself.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) label: String,
    pub(crate) help: Option<String>,
}

impl Problem {
    fn new(code: &'static str, span: Span, message: String) -> Self {
        Self {
            code,
            span,
            message,
            label: String::new(),
            help: None,
        }
    }

    fn labelled(mut self, label: &str) -> Self {
        label.clone_into(&mut self.label);
        self
    }

    fn helped(mut self, help: &str) -> Self {
        self.help = Some(help.to_owned());
        self
    }
}

impl Node {
    pub(crate) fn empty_map() -> Self {
        Self {
            value: Value::Map(Vec::new()),
            spot: Spot::default(),
        }
    }

    /// Whether nothing stands there: `key:`, `key: ~` or `key: null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(text, Quoted::No)
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// Reads a text; an empty one is an empty mapping.
pub(crate) fn read(text: &str) -> (Node, Vec<Problem>) {
    let mut reader = Builder::default();
    if text.len() > MAX_BYTES {
        let message = format!("the file is larger than {} KiB", MAX_BYTES / 1024);
        reader
            .problems
            .push(Problem::new("file_too_large", first_line(), message));
        return (Node::empty_map(), reader.problems);
    }
    for event in Parser::new_from_str(text) {
        // The iterator repeats its error for ever: the first one ends it.
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                reader.problems = vec![syntax_error(text, error.marker(), error.info())];
                return (Node::empty_map(), reader.problems);
            }
        };
        if reader.take(event, span.start, span.end).is_break() {
            break;
        }
    }
    let root = reader.root.take().unwrap_or_else(Node::empty_map);
    (root, reader.problems)
}

fn first_line() -> Span {
    Span {
        line: 1,
        column: 1,
        length: 1,
    }
}

fn syntax_error(text: &str, at: &Marker, info: &str) -> Problem {
    let span = span_of(*at, *at);
    let problem = Problem::new("bad_yaml", span, format!("this is no YAML: {info}"));
    let line = text.lines().nth(span.line.saturating_sub(1)).unwrap_or("");
    let before = text
        .lines()
        .nth(span.line.saturating_sub(2))
        .unwrap_or_default();
    let quotes_missing = |line: &str| line.contains("${") && line.contains(['[', '{']);
    if line.trim_start_matches(' ').starts_with('\t') {
        problem.helped("indent with spaces, not with tabs")
    } else if quotes_missing(line) || quotes_missing(before) {
        problem.helped("quote it: inside [ ] and { } write  \"${NAME}\"")
    } else {
        problem
    }
}

/// A collection that is not complete yet.
#[derive(Debug)]
struct Open {
    anchor: usize,
    start: Marker,
    content: Content,
}

#[derive(Debug)]
enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        key: Option<(String, Spot)>,
    },
}

#[derive(Debug, Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    documents: usize,
    problems: Vec<Problem>,
}

type Flow = std::ops::ControlFlow<()>;

impl Builder {
    fn take(&mut self, event: Event<'_>, start: Marker, end: Marker) -> Flow {
        match event {
            Event::DocumentStart(_) => return self.document(start, end),
            Event::Alias(anchor) => return self.alias(anchor, start, end),
            Event::Scalar(text, style, anchor, tag) => {
                self.tag(tag.as_deref(), start, end);
                let quoted = if style == saphyr_parser::ScalarStyle::Plain {
                    Quoted::No
                } else {
                    Quoted::Yes
                };
                let node = Node {
                    value: Value::Scalar(text.into_owned(), quoted),
                    spot: spot(start, end),
                };
                self.count(1, start)?;
                return self.place(node, anchor, 1);
            }
            Event::SequenceStart(anchor, tag) => {
                self.tag(tag.as_deref(), start, end);
                return self.begin(anchor, start, Content::List(Vec::new()));
            }
            Event::MappingStart(anchor, tag) => {
                self.tag(tag.as_deref(), start, end);
                let content = Content::Map {
                    entries: Vec::new(),
                    key: None,
                };
                return self.begin(anchor, start, content);
            }
            Event::SequenceEnd | Event::MappingEnd => return self.finish(end),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Flow::Continue(())
    }

    fn document(&mut self, start: Marker, end: Marker) -> Flow {
        self.documents += 1;
        if self.documents == 1 {
            return Flow::Continue(());
        }
        let message = "a second document begins here".to_owned();
        self.problems.push(
            Problem::new("several_documents", span_of(start, end), message)
                .labelled("one file holds one configuration"),
        );
        Flow::Break(())
    }

    fn tag(&mut self, tag: Option<&Tag>, start: Marker, end: Marker) {
        if tag.is_some_and(|tag| !tag.is_yaml_core_schema()) {
            let message = "tags are not known here".to_owned();
            self.problems
                .push(Problem::new("bad_yaml", span_of(start, end), message));
        }
    }

    fn alias(&mut self, anchor: usize, start: Marker, end: Marker) -> Flow {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            let message = "this alias stands inside what it repeats".to_owned();
            self.problems
                .push(Problem::new("bad_yaml", span_of(start, end), message));
            return Flow::Break(());
        };
        let size = *size;
        // Counted before it is copied: aliases of aliases grow by powers.
        if self.nodes.saturating_add(size) > MAX_NODES {
            return self.count(size, start);
        }
        let mut node = node.clone();
        node.spot = spot(start, end);
        self.count(size, start)?;
        self.place(node, 0, size)
    }

    fn count(&mut self, nodes: usize, at: Marker) -> Flow {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= MAX_NODES {
            return Flow::Continue(());
        }
        let message = format!("the file holds more than {MAX_NODES} values, aliases counted");
        self.problems
            .push(Problem::new("file_too_large", span_of(at, at), message));
        Flow::Break(())
    }

    fn begin(&mut self, anchor: usize, start: Marker, content: Content) -> Flow {
        if self.open.len() >= MAX_DEPTH {
            let message = format!("values lie more than {MAX_DEPTH} levels deep");
            self.problems.push(Problem::new(
                "file_too_large",
                span_of(start, start),
                message,
            ));
            return Flow::Break(());
        }
        self.open.push(Open {
            anchor,
            start,
            content,
        });
        self.count(1, start)
    }

    fn finish(&mut self, end: Marker) -> Flow {
        let Some(open) = self.open.pop() else {
            return Flow::Continue(());
        };
        let value = match open.content {
            Content::List(nodes) => Value::List(nodes),
            Content::Map { entries, .. } => Value::Map(entries),
        };
        let node = Node {
            value,
            spot: spot(open.start, end),
        };
        let size = if open.anchor == 0 { 1 } else { size(&node) };
        self.place(node, open.anchor, size)
    }

    /// Puts a complete node where it belongs: into the innermost open collection, or as the root.
    fn place(&mut self, node: Node, anchor: usize, size: usize) -> Flow {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Flow::Continue(());
        };
        match &mut open.content {
            Content::List(nodes) => nodes.push(node),
            Content::Map { entries, key } => match key.take() {
                Some((key, key_spot)) => entries.push(Entry {
                    key,
                    key_spot,
                    node,
                }),
                None => *key = Some(key_of(node, entries, &mut self.problems)),
            },
        }
        Flow::Continue(())
    }
}

/// A mapping's key; a repeated or complex one is reported.
fn key_of(node: Node, entries: &[Entry], problems: &mut Vec<Problem>) -> (String, Spot) {
    let Value::Scalar(key, _) = node.value else {
        let message = "a key is a plain word".to_owned();
        problems.push(Problem::new("bad_yaml", node.spot.span, message));
        return (String::new(), node.spot);
    };
    if let Some(first) = entries.iter().find(|entry| entry.key == key) {
        let message = format!("`{key}` stands here twice");
        let label = format!("first on line {}", first.key_spot.span.line);
        problems.push(
            Problem::new("duplicate_name", node.spot.span, message)
                .labelled(&label)
                .helped("keep one of the two"),
        );
    }
    (key, node.spot)
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar(..) => 0,
        Value::List(nodes) => nodes.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|entry| 1 + size(&entry.node)).sum(),
    }
}

fn spot(start: Marker, end: Marker) -> Spot {
    Spot {
        span: span_of(start, end),
        origin: None,
    }
}

/// The part of a range that lies on its first line; where it runs on, only its first character.
fn span_of(start: Marker, end: Marker) -> Span {
    let length = if start.line() == end.line() {
        end.col().saturating_sub(start.col()).max(1)
    } else {
        1
    };
    Span {
        line: start.line().max(1),
        column: start.col() + 1,
        length,
    }
}
