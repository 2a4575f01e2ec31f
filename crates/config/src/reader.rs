//! Reads a tree into [`crate::file::File`] and collects everything that is wrong on the way, never stopping at the
//! first. Knows sections, scalars and variables; what is written where is in `sections.rs`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use types::Secret;

use crate::diagnostic::{Diagnostic, Place, Severity, Span};
use crate::environment::Environment;
use crate::file::{At, Hidden};
use crate::near;
use crate::text::{self, Piece, Reason};
use crate::words;
use crate::yaml::{Entry, Node, Problem, Quoted, Spot, Value};

/// The largest file that `${file:...}` takes in.
const MAX_SECRET_FILE: u64 = 64 * 1024;

/// At most this many findings are told; a file with more is no configuration.
const MAX_FINDINGS: usize = 200;

/// A finding before its line of text is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    severity: Severity,
    code: &'static str,
    spot: Spot,
    message: String,
    label: String,
    help: Option<String>,
}

/// The collector. Its methods take `&self`, so that sections can borrow it side by side.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    path: Arc<str>,
    folder: Option<&'a Path>,
    environment: &'a Environment,
    findings: RefCell<Vec<Finding>>,
    secrets: RefCell<BTreeSet<Span>>,
    failed: Cell<bool>,
}

/// A finding under construction: reported when it is dropped, so that label and help may be left out.
#[derive(Debug)]
pub(crate) struct Report<'r, 'a> {
    reader: &'r Reader<'a>,
    finding: Option<Finding>,
}

impl Report<'_, '_> {
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        if let Some(finding) = &mut self.finding {
            finding.label = label.into();
        }
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(finding) = &mut self.finding {
            finding.help = Some(help.into());
        }
        self
    }

    /// Adds "did you mean" where a name is near.
    pub(crate) fn near<'n>(self, wrong: &str, known: impl Iterator<Item = &'n str>) -> Self {
        match near::name(wrong, known) {
            Some(meant) => self.help(format!("did you mean `{meant}`?")),
            None => self,
        }
    }
}

impl Drop for Report<'_, '_> {
    fn drop(&mut self) {
        if let Some(finding) = self.finding.take() {
            self.reader.push(finding);
        }
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, path: &'a Path, environment: &'a Environment) -> Self {
        Self {
            text,
            path: Arc::from(path.display().to_string()),
            folder: path.parent(),
            environment,
            findings: RefCell::default(),
            secrets: RefCell::default(),
            failed: Cell::new(false),
        }
    }

    pub(crate) fn environment(&self) -> &'a Environment {
        self.environment
    }

    pub(crate) fn error(
        &self,
        code: &'static str,
        spot: &Spot,
        message: impl Into<String>,
    ) -> Report<'_, 'a> {
        self.report(Severity::Error, code, spot, message.into())
    }

    pub(crate) fn warning(
        &self,
        code: &'static str,
        spot: &Spot,
        message: impl Into<String>,
    ) -> Report<'_, 'a> {
        self.report(Severity::Warning, code, spot, message.into())
    }

    pub(crate) fn problem(&self, problem: Problem) {
        self.push(Finding {
            severity: Severity::Error,
            code: problem.code,
            spot: Spot {
                span: problem.span,
                origin: None,
            },
            message: problem.message,
            label: problem.label,
            help: problem.help,
        });
    }

    fn report(
        &self,
        severity: Severity,
        code: &'static str,
        spot: &Spot,
        message: String,
    ) -> Report<'_, 'a> {
        debug_assert!(words::knows(code), "`{code}` is no word of check");
        Report {
            reader: self,
            finding: Some(Finding {
                severity,
                code,
                spot: spot.clone(),
                message,
                label: String::new(),
                help: None,
            }),
        }
    }

    fn push(&self, finding: Finding) {
        if finding.severity == Severity::Error {
            self.failed.set(true);
        }
        let mut findings = self.findings.borrow_mut();
        if findings.len() < MAX_FINDINGS {
            findings.push(finding);
        }
    }

    /// Whether anything so far forbids to load.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.get()
    }

    /// A value that no message may show.
    pub(crate) fn keep_secret(&self, spot: &Spot) {
        if spot.origin.is_none() {
            self.secrets.borrow_mut().insert(spot.span);
        }
    }

    /// Everything found, in the order of the text.
    pub(crate) fn finish(self) -> Vec<Diagnostic> {
        let lines: Vec<&str> = self.text.lines().collect();
        let secrets = self.secrets.into_inner();
        let mut findings = self.findings.into_inner();
        findings.sort_by_key(|one| (one.spot.origin.is_some(), one.spot.span));
        // What an alias repeats is wrong once.
        findings.dedup();
        let mut line = Line::default();
        findings
            .into_iter()
            .map(|finding| {
                let place = match finding.spot.origin {
                    Some(origin) => Place {
                        path: Arc::from(&*origin),
                        span: None,
                        text: String::new(),
                        offset: 0,
                    },
                    None => {
                        let span = finding.spot.span;
                        line.turn_to(span.line, &lines, &secrets);
                        let offset = line.offset_for(span.column);
                        Place {
                            path: self.path.clone(),
                            span: Some(span),
                            text: line.shown.iter().skip(offset).take(WIDEST).collect(),
                            offset,
                        }
                    }
                };
                Diagnostic {
                    severity: finding.severity,
                    code: finding.code,
                    message: finding.message,
                    place: Some(place),
                    label: finding.label,
                    help: finding.help,
                }
            })
            .collect()
    }

    /// A scalar's text with its variables filled in; what is no scalar, or names something that is not there, is
    /// reported.
    pub(crate) fn scalar(&self, node: &Node, wanted: &str) -> Option<At<String>> {
        let Value::Scalar(written, _) = &node.value else {
            self.wrong_type(node, wanted);
            return None;
        };
        let filled = self.fill(written, &node.spot)?;
        Some(At {
            value: filled.text,
            spot: node.spot.clone(),
        })
    }

    /// The same for a secret, with where it came from.
    pub(crate) fn secret(&self, node: &Node) -> Option<At<Hidden>> {
        let Value::Scalar(written, _) = &node.value else {
            self.wrong_type(node, "a text");
            return None;
        };
        if !written.contains("${") {
            self.keep_secret(&node.spot);
        }
        let filled = self.fill(written, &node.spot)?;
        let source = filled
            .source
            .unwrap_or_else(|| "in the configuration".to_owned());
        Some(At {
            value: Hidden {
                secret: Secret::new(filled.text.trim().to_owned()),
                source,
            },
            spot: node.spot.clone(),
        })
    }

    /// A scalar read by `parse`; a wrong one is shown as it was written, never as its variables filled it.
    pub(crate) fn value<T>(
        &self,
        node: &Node,
        parse: impl FnOnce(&str) -> Result<T, Reason>,
    ) -> Option<At<T>> {
        let Value::Scalar(written, _) = &node.value else {
            match parse("") {
                Err(reason) => self.wrong_type(node, reason),
                Ok(_) => self.wrong_type(node, "a text"),
            }
            return None;
        };
        let filled = self.fill(written, &node.spot)?;
        // On a machine without the variables, an empty place is no mistake.
        if filled.missing {
            return None;
        }
        match parse(filled.text.trim()) {
            Ok(value) => Some(At {
                value,
                spot: node.spot.clone(),
            }),
            Err(reason) => {
                let shown = text::masked(written);
                self.error(
                    "bad_value",
                    &node.spot,
                    format!("`{shown}` does not fit here"),
                )
                .label(reason);
                None
            }
        }
    }

    fn fill(&self, written: &str, spot: &Spot) -> Option<Filled> {
        let pieces = match text::pieces(written) {
            Ok(pieces) => pieces,
            Err(reason) => {
                self.error("bad_variable", spot, "this `${` cannot be read")
                    .label(reason);
                return None;
            }
        };
        let mut filled = Filled::default();
        let mut complete = true;
        for piece in pieces {
            let text = match piece {
                Piece::Plain(text) => Some(text.to_owned()),
                Piece::Variable { name, default } => {
                    filled.source = Some(name.to_owned());
                    self.variable(name, default, spot)
                }
                Piece::File(path) => {
                    filled.source = Some(path.to_owned());
                    self.secret_file(path, spot)
                }
            };
            match text {
                Some(text) => filled.text.push_str(&text),
                None if self.environment.allows_missing() => filled.missing = true,
                None => complete = false,
            }
        }
        complete.then_some(filled)
    }

    fn variable(&self, name: &str, default: Option<&str>, spot: &Spot) -> Option<String> {
        // As in a shell: `:-` also stands in for an empty variable.
        let value = match default {
            Some(default) => Some(self.environment.get(name).unwrap_or(default)),
            None => self.environment.get_even_empty(name),
        };
        if value.is_none() && !self.environment.allows_missing() {
            let message = format!("the variable {name} is not set");
            let report = self
                .error("unset_variable", spot, message)
                .label(format!("no {name} in the environment"));
            match near::name(name, self.environment.names()) {
                Some(meant) => drop(report.help(format!("did you mean ${{{meant}}}?"))),
                None => drop(report.help(format!(
                    "export {name}=…, or write a default: ${{{name}:-…}}"
                ))),
            }
        }
        value.map(str::to_owned)
    }

    fn secret_file(&self, path: &str, spot: &Spot) -> Option<String> {
        let full = match self.folder {
            Some(folder) => folder.join(path),
            None => Path::new(path).to_owned(),
        };
        let read = std::fs::metadata(&full).and_then(|facts| {
            if facts.is_file() && facts.len() <= MAX_SECRET_FILE {
                std::fs::read_to_string(&full)
            } else {
                Err(std::io::Error::other("no file of at most 64 KiB"))
            }
        });
        match read {
            Ok(text) => Some(text.trim_end_matches(['\n', '\r']).to_owned()),
            Err(_) if self.environment.allows_missing() => None,
            Err(error) => {
                let message = format!("{path} cannot be read: {error}");
                self.error("unreadable_file", spot, message)
                    .help("a relative path starts at the configuration file's folder");
                None
            }
        }
    }

    pub(crate) fn wrong_type(&self, node: &Node, wanted: &str) {
        let found = match &node.value {
            Value::Scalar(..) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        };
        self.error("wrong_type", &node.spot, format!("{found} stands here"))
            .label(wanted.to_owned());
    }

    /// The entries of a mapping; nothing at all is an empty one.
    pub(crate) fn entries<'n>(&self, node: &'n Node, wanted: &str) -> Option<&'n [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            Value::Scalar(..) if node.is_null() => Some(&[]),
            Value::Scalar(..) | Value::List(_) => {
                self.wrong_type(node, wanted);
                None
            }
        }
    }

    /// The elements of a list. A value from a variable or flag is taken as a list with commas.
    pub(crate) fn list<T>(
        &self,
        node: &Node,
        wanted: &str,
        mut read: impl FnMut(&Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        match &node.value {
            Value::List(nodes) => Some(nodes.iter().filter_map(read).collect()),
            Value::Scalar(text, _) if node.spot.origin.is_some() => {
                let parts = text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty());
                let nodes = parts.map(|part| Node {
                    value: Value::Scalar(part.to_owned(), Quoted::Yes),
                    spot: node.spot.clone(),
                });
                Some(nodes.filter_map(|node| read(&node)).collect())
            }
            Value::Scalar(..) | Value::Map(_) => {
                self.wrong_type(node, wanted);
                None
            }
        }
    }
}

/// A scalar with its variables filled in.
#[derive(Debug, Default)]
struct Filled {
    text: String,
    /// The last variable or file that went into it.
    source: Option<String>,
    /// Whether something was missing and that was allowed.
    missing: bool,
}

/// The most characters of a line that are shown; of a longer one, those around the place.
const WIDEST: usize = 240;

/// A line as it may be shown, kept for the next finding on it.
#[derive(Debug, Default)]
struct Line {
    number: usize,
    shown: Vec<char>,
}

impl Line {
    fn turn_to(&mut self, number: usize, lines: &[&str], secrets: &BTreeSet<Span>) {
        if self.number == number {
            return;
        }
        self.number = number;
        let text = lines.get(number.saturating_sub(1)).copied();
        let mut characters: Vec<char> = text.unwrap_or_default().chars().collect();
        let start = Span {
            line: number,
            ..Span::default()
        };
        for span in secrets
            .range(start..)
            .take_while(|span| span.line == number)
        {
            let covered = characters.iter_mut().skip(span.column.saturating_sub(1));
            covered.take(span.length).for_each(|one| *one = '•');
        }
        let covered: String = characters.into_iter().collect();
        self.shown = text::masked(&covered).chars().collect();
    }

    /// How many characters are left out before the shown ones.
    fn offset_for(&self, column: usize) -> usize {
        if self.shown.len() <= WIDEST {
            return 0;
        }
        column.saturating_sub(WIDEST / 3)
    }
}
