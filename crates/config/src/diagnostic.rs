//! What is wrong with a configuration, at which line and column, and what to write instead.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration is not loaded.
    Error,
    /// It is loaded, and probably not what was meant.
    Warning,
}

impl Severity {
    /// As printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A piece of one line of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The line, from 1.
    pub line: usize,
    /// The first character, from 1.
    pub column: usize,
    /// Characters, at least 1.
    pub length: usize,
}

/// Where something stands, with the line itself, its secrets already masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name, or `GOODGATE_…` for a variable and `--…` for a flag.
    pub path: Arc<str>,
    /// Where in it; `None` where there is no text to point into.
    pub span: Option<Span>,
    /// The line, or of a very long one the part around the place.
    pub text: String,
    /// Characters of the line that are left out before `text`.
    pub offset: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A word that `goodgate explain` knows.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// Where.
    pub place: Option<Place>,
    /// What stands beside the carets.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// For people: a head, the line with carets, and the help.
    #[must_use]
    pub fn render_human(&self, colour: Colour) -> String {
        let paint = |code: &str, text: &str| match colour {
            Colour::On => format!("\x1b[{code}m{text}\x1b[0m"),
            Colour::Off => text.to_owned(),
        };
        let severity = match self.severity {
            Severity::Error => "1;31",
            Severity::Warning => "1;33",
        };
        let head = format!("{}[{}]", self.severity.as_str(), self.code);
        let mut out = format!(
            "{}{}\n",
            paint(severity, &head),
            paint("1", &format!(": {}", self.message))
        );
        let mut gutter = 2;
        if let Some(place) = &self.place {
            gutter = self.write_place(&mut out, place, &|text| paint(severity, text));
        }
        if let Some(help) = &self.help {
            let help = help.replace('\n', &format!("\n{:gutter$}           ", ""));
            // Writing to a string cannot fail.
            writeln!(out, "{:gutter$} = help: {help}", "").ok();
        }
        out
    }

    /// Writes arrow, line and carets; gives the width of the line's number.
    fn write_place(
        &self,
        out: &mut String,
        place: &Place,
        paint: &dyn Fn(&str) -> String,
    ) -> usize {
        let Some(span) = place.span else {
            writeln!(out, "  --> {}", place.path).ok();
            return 2;
        };
        let gutter = span.line.to_string().len();
        let column = span.column;
        writeln!(
            out,
            "{:gutter$}--> {}:{}:{column}",
            "", place.path, span.line
        )
        .ok();
        writeln!(out, "{} | {}", span.line, place.text).ok();
        // A tab in the line is a tab below it, so that the carets stand where they belong.
        let indent: String = place
            .text
            .chars()
            .take(column.saturating_sub(1 + place.offset))
            .map(|one| if one == '\t' { '\t' } else { ' ' })
            .collect();
        let shown = place.text.chars().count() + place.offset;
        let room = shown.saturating_sub(column.saturating_sub(1));
        let carets = "^".repeat(span.length.min(room).max(1));
        let carets = paint(format!("{carets} {}", self.label).trim_end());
        writeln!(out, "{:gutter$} | {indent}{carets}", "").ok();
        gutter
    }

    /// For programs; the members are stable.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let span = self.place.as_ref().and_then(|place| place.span);
        json!({
            "severity": self.severity.as_str(),
            "code": self.code,
            "message": self.message,
            "path": self.place.as_ref().map(|place| place.path.to_string()),
            "line": span.map(|span| span.line),
            "column": span.map(|span| span.column),
            "length": span.map(|span| span.length),
            "label": self.label,
            "help": self.help,
        })
    }
}

/// Whether a terminal's colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Yes.
    On,
    /// No.
    Off,
}

/// `1 error, 2 warnings`.
#[must_use]
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let of = |severity| {
        diagnostics
            .iter()
            .filter(|one| one.severity == severity)
            .count()
    };
    let plural =
        |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    match (of(Severity::Error), of(Severity::Warning)) {
        (0, 0) => "no findings".to_owned(),
        (errors, 0) => plural(errors, "error"),
        (0, warnings) => plural(warnings, "warning"),
        (errors, warnings) => {
            format!(
                "{}, {}",
                plural(errors, "error"),
                plural(warnings, "warning")
            )
        }
    }
}

/// A configuration's text and where it is from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The text.
    pub text: String,
    /// The file, for messages.
    pub path: PathBuf,
}
