//! JSON values as slices of the text they stand in: read on demand, and kept as written where nobody reads them.

use std::borrow::Cow;
use std::fmt;

use super::{Bad, Cursor, Shape};
use crate::canonical::{Extra, Raw};
use crate::fault::CallError;

/// A value within a valid text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'b> {
    shape: Shape,
    text: &'b str,
}

impl<'b> Node<'b> {
    /// Validates a whole text.
    pub(crate) fn parse(text: &'b str) -> Result<Self, Bad> {
        let mut cursor = Cursor::new(text.as_bytes());
        let (shape, span) = cursor.spanned()?;
        cursor.end()?;
        Ok(Self {
            shape,
            text: text.get(span.start..span.end).unwrap_or_default(),
        })
    }

    /// Its kind.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &'b str {
        self.text
    }

    /// As it was written, to keep.
    pub(crate) fn raw(&self) -> Raw {
        // The text is valid; the alternative is never taken.
        Raw::parse(self.text).unwrap_or_else(Raw::null)
    }

    pub(crate) fn is_null(&self) -> bool {
        self.shape == Shape::Null
    }

    /// Whether it says nothing: null, false, or empty.
    pub(crate) fn is_nothing(&self) -> bool {
        match self.shape {
            Shape::Null | Shape::False => true,
            // Two bytes hold an empty string, list or object.
            Shape::Text | Shape::Array | Shape::Object => self.text.len() <= 2,
            Shape::True | Shape::Number => false,
        }
    }

    /// The string, if it is one.
    pub(crate) fn text(&self) -> Option<Cow<'b, str>> {
        (self.shape == Shape::Text)
            .then(|| self.cursor().text().ok()?.read())
            .flatten()
    }

    /// The string as a part of a longer one, if it is one.
    pub(crate) fn text_part(&self, held: &mut Option<u16>) -> Option<String> {
        (self.shape == Shape::Text)
            .then(|| self.cursor().text().ok()?.read_part(held))
            .flatten()
    }

    /// The truth value, if it is one.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match self.shape {
            Shape::True => Some(true),
            Shape::False => Some(false),
            Shape::Null | Shape::Number | Shape::Text | Shape::Array | Shape::Object => None,
        }
    }

    /// The number, if it is a whole one that is not negative.
    pub(crate) fn count(&self) -> Option<u64> {
        self.cursor().count().ok().flatten()
    }

    /// The number, if it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        (self.shape == Shape::Number)
            .then(|| self.text.parse().ok())
            .flatten()
    }

    /// The elements, if it is an array.
    pub(crate) fn elements(&self) -> Option<Vec<Node<'b>>> {
        if self.shape != Shape::Array {
            return None;
        }
        let mut found = Vec::new();
        let walked = self.cursor().array(|cursor| {
            found.push(self.next(cursor)?);
            Ok::<(), Bad>(())
        });
        walked.ok().map(|()| found)
    }

    /// The members, if it is an object.
    pub(crate) fn object(&self) -> Option<Object<'b>> {
        if self.shape != Shape::Object {
            return None;
        }
        let mut found = Vec::new();
        let walked = self.cursor().object(|cursor, key| {
            let key = key.read().unwrap_or_default();
            found.push((key, self.next(cursor)?));
            Ok::<(), Bad>(())
        });
        walked.ok().map(|()| Object(found))
    }

    fn next(&self, cursor: &mut Cursor<'b>) -> Result<Node<'b>, Bad> {
        let (shape, span) = cursor.spanned()?;
        Ok(Node {
            shape,
            text: self.text.get(span.start..span.end).unwrap_or_default(),
        })
    }

    fn cursor(&self) -> Cursor<'b> {
        Cursor::new(self.text.as_bytes())
    }
}

/// The members of an object that were not taken yet, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object<'b>(Vec<(Cow<'b, str>, Node<'b>)>);

impl<'b> Object<'b> {
    /// Takes a member out; null is as good as absent, and of several the last counts.
    pub(crate) fn take(&mut self, key: &str) -> Option<Node<'b>> {
        let mut found = None;
        self.0.retain(|(name, node)| {
            let hit = name == key;
            if hit {
                found = Some(*node);
            }
            !hit
        });
        found.filter(|node| !node.is_null())
    }

    /// Looks at a member without taking it.
    pub(crate) fn get(&self, key: &str) -> Option<Node<'b>> {
        let found = self.0.iter().rev().find(|(name, _)| name == key);
        found.map(|(_, node)| *node).filter(|node| !node.is_null())
    }

    /// Takes a string, ignoring other kinds.
    pub(crate) fn text(&mut self, key: &str) -> Option<Cow<'b, str>> {
        self.take(key)?.text()
    }

    /// Takes a string to keep, ignoring other kinds.
    pub(crate) fn string(&mut self, key: &str) -> Option<String> {
        self.text(key).map(Cow::into_owned)
    }

    /// Takes an object, ignoring other kinds.
    pub(crate) fn child(&mut self, key: &str) -> Option<Object<'b>> {
        self.take(key)?.object()
    }

    /// Takes a list, ignoring other kinds.
    pub(crate) fn list(&mut self, key: &str) -> Vec<Node<'b>> {
        self.take(key)
            .and_then(|node| node.elements())
            .unwrap_or_default()
    }

    /// Takes a whole number, ignoring other kinds.
    pub(crate) fn count(&mut self, key: &str) -> Option<u64> {
        self.take(key)?.count()
    }

    /// What was not taken, as it was written; nulls say nothing and are left out.
    pub(crate) fn rest(self) -> Extra {
        let kept = self.0.into_iter().filter(|(_, node)| !node.is_null());
        kept.map(|(key, node)| (key.into_owned(), node.raw()))
            .collect()
    }
}

/// Reading a caller's body: the wrong kind is an error that names the parameter.
impl<'b> Object<'b> {
    pub(crate) fn need_string(&mut self, key: &str, path: Path<'_>) -> Result<String, CallError> {
        let found = self.want_string(key, path)?;
        found.ok_or_else(|| path.key(key).error("is required"))
    }

    pub(crate) fn want_string(
        &mut self,
        key: &str,
        path: Path<'_>,
    ) -> Result<Option<String>, CallError> {
        self.want(key, path, "a string", |node| {
            node.text().map(Cow::into_owned)
        })
    }

    pub(crate) fn want_boolean(
        &mut self,
        key: &str,
        path: Path<'_>,
    ) -> Result<Option<bool>, CallError> {
        self.want(key, path, "true or false", |node| node.boolean())
    }

    pub(crate) fn want_count(
        &mut self,
        key: &str,
        path: Path<'_>,
    ) -> Result<Option<u64>, CallError> {
        self.want(key, path, "a whole number", |node| node.count())
    }

    pub(crate) fn want_number(
        &mut self,
        key: &str,
        path: Path<'_>,
    ) -> Result<Option<f64>, CallError> {
        self.want(key, path, "a number", |node| node.number())
    }

    pub(crate) fn want_list(
        &mut self,
        key: &str,
        path: Path<'_>,
    ) -> Result<Option<Vec<Node<'b>>>, CallError> {
        self.want(key, path, "an array", |node| node.elements())
    }

    pub(crate) fn want_object(
        &mut self,
        key: &str,
        path: Path<'_>,
    ) -> Result<Option<Object<'b>>, CallError> {
        self.want(key, path, "an object", |node| node.object())
    }

    fn want<T>(
        &mut self,
        key: &str,
        path: Path<'_>,
        expected: &str,
        read: impl FnOnce(Node<'b>) -> Option<T>,
    ) -> Result<Option<T>, CallError> {
        let Some(node) = self.take(key) else {
            return Ok(None);
        };
        match read(node) {
            Some(value) => Ok(Some(value)),
            None => {
                let problem = format!("must be {expected}, not {}", node.shape().name());
                Err(path.key(key).error(&problem))
            }
        }
    }
}

/// Where in a body a value stands, written out only for an error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'p> {
    Root,
    Key(&'p str),
    Index(usize),
}

impl<'p> Path<'p> {
    /// The body itself.
    pub(crate) const ROOT: Path<'static> = Path {
        parent: None,
        step: Step::Root,
    };

    pub(crate) fn key<'c>(&'c self, key: &'c str) -> Path<'c> {
        Path {
            parent: Some(self),
            step: Step::Key(key),
        }
    }

    pub(crate) fn index(&'p self, index: usize) -> Path<'p> {
        Path {
            parent: Some(self),
            step: Step::Index(index),
        }
    }

    /// An error whose sentence begins with the path.
    pub(crate) fn error(&self, problem: &str) -> CallError {
        let name = self.to_string();
        let message = format!("`{name}` {problem}");
        CallError {
            param: Some(name),
            message,
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parent = self
            .parent
            .filter(|parent| !matches!(parent.step, Step::Root));
        if let Some(parent) = parent {
            write!(f, "{parent}")?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Key(key) if parent.is_none() => f.write_str(key),
            Step::Key(key) => write!(f, ".{key}"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}
