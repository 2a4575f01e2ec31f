//! Results go to standard output, talk to standard error; a reader that has left is no reason to panic.
//!
//! Colours and signs are those that the reader's terminal can show: no colour in pipes, ASCII where there is nothing else.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};

use config::{Colour, Environment};

/// Columns where nobody says how many there are.
const WIDTH: usize = 120;

/// Fewest columns that lines are cut for; narrower terminals wrap.
const NARROWEST: usize = 60;

/// Signs that a terminal without UTF-8 cannot show, and what stands in for them.
const ASCII: &[(char, &str)] = &[
    ('✓', "+"),
    ('✗', "x"),
    ('○', "o"),
    ('↻', "~"),
    ('⊘', "/"),
    ('·', "|"),
    ('…', "..."),
    ('–', "-"),
    ('≈', "~"),
    ('×', "x"),
    ('█', "#"),
    ('▇', "#"),
    ('▅', "="),
    ('▃', "-"),
    ('▁', "_"),
];

/// Prints a result.
pub(crate) fn result(text: &str) {
    let text = shown(text);
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Prints a part of a result as it is; whether anyone still reads.
pub(crate) fn piece(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .is_ok()
}

/// Text of a stranger's for a reader: a terminal gets no control characters, which could move its cursor or worse.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !std::io::stdout().is_terminal() {
        return Cow::Borrowed(text);
    }
    without_controls(text)
}

fn without_controls(text: &str) -> Cow<'_, str> {
    let is_control = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(is_control) {
        return Cow::Owned(text.replace(is_control, "?"));
    }
    Cow::Borrowed(text)
}

/// Says something to the person who typed.
pub(crate) fn talk(text: &str) {
    drop(std::io::stderr().lock().write_all(shown(text).as_bytes()));
}

fn shown(text: &str) -> Cow<'_, str> {
    if has_signs(&Environment::capture()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(in_ascii(text))
}

/// Whether the terminal shows more than ASCII: the first of the locale's variables that is set says so, a dumb terminal
/// does not. Where none is set, as in containers, it most likely does.
fn has_signs(environment: &Environment) -> bool {
    if environment.get("TERM") == Some("dumb") {
        return false;
    }
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| environment.get(name));
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

fn in_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match ASCII.iter().find(|(sign, _)| *sign == c) {
            Some((_, instead)) => out.push_str(instead),
            None => out.push(c),
        }
    }
    out
}

/// Colours on a terminal, unless the environment forbids or forces them.
pub(crate) fn colour() -> Colour {
    colour_of(&Environment::capture(), std::io::stdout().is_terminal())
}

fn colour_of(environment: &Environment, terminal: bool) -> Colour {
    let forced = environment
        .get("CLICOLOR_FORCE")
        .is_some_and(|value| value != "0");
    let forbidden =
        environment.get("NO_COLOR").is_some() || environment.get("TERM") == Some("dumb");
    if forced || (terminal && !forbidden) {
        Colour::On
    } else {
        Colour::Off
    }
}

/// Who reads standard output: a person at a terminal of some width, or a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader {
    /// Whether it is a terminal.
    pub(crate) terminal: bool,
    /// Columns.
    pub(crate) width: usize,
    colour: Colour,
}

impl Reader {
    /// Whoever reads now.
    pub(crate) fn now() -> Self {
        let environment = Environment::capture();
        let terminal = std::io::stdout().is_terminal();
        let told = environment
            .get("COLUMNS")
            .and_then(|columns| columns.parse().ok());
        let asked = || {
            let (width, _) = terminal_size::terminal_size()?;
            Some(usize::from(width.0))
        };
        Self {
            terminal,
            width: told.or_else(asked).unwrap_or(WIDTH).max(NARROWEST),
            colour: colour_of(&environment, terminal),
        }
    }

    /// A reader of that many columns without colours.
    #[cfg(test)]
    pub(crate) fn plain(width: usize) -> Self {
        Self {
            terminal: true,
            width,
            colour: Colour::Off,
        }
    }

    /// The text in a colour, where there are colours.
    pub(crate) fn paint(&self, ink: Ink, text: &str) -> String {
        if self.colour == Colour::Off || ink == Ink::Plain {
            return text.to_owned();
        }
        let number = match ink {
            Ink::Plain => 0,
            Ink::Dim => 2,
            Ink::Bold => 1,
            Ink::Red => 31,
            Ink::Green => 32,
            Ink::Yellow => 33,
        };
        format!("\u{1b}[{number}m{text}\u{1b}[0m")
    }
}

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Nothing.
    Plain,
    /// Less important.
    Dim,
    /// A heading.
    Bold,
    /// Failed.
    Red,
    /// Well.
    Green,
    /// Mind this.
    Yellow,
}

/// Cuts to so many columns, with a sign where something is missing.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Cuts in the middle: the beginning and the end of a host name both tell something.
pub(crate) fn cut_middle(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width || width < 5 {
        return text.to_owned();
    }
    let (front, back) = (width / 2, width - width / 2 - 1);
    let head: String = text.chars().take(front).collect();
    let tail: String = text.chars().skip(count - back).collect();
    format!("{head}…{tail}")
}

/// Breaks a text into lines of so many columns at its spaces, the first one perhaps shorter; a word that is longer
/// stays whole.
pub(crate) fn wrap(text: &str, first: usize, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let width = if lines.len() == 1 { first } else { width };
        let Some(line) = lines.last_mut() else { break };
        let room = line.chars().count() + 1 + word.chars().count();
        if line.is_empty() {
            line.push_str(word);
        } else if room <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A listing: aligned columns with a heading for people, tab-separated values for programs.
pub(crate) fn table(reader: &Reader, heading: &[&str], rows: &[Vec<String>]) -> String {
    if !reader.terminal {
        return rows
            .iter()
            .map(|row| format!("{}\n", row.join("\t")))
            .collect();
    }
    let mut widths: Vec<usize> = heading.iter().map(|name| name.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        cut(padded.join("  ").trim_end(), reader.width)
    };
    let mut out = reader.paint(Ink::Dim, &line(&mut heading.iter().copied()));
    out.push('\n');
    for row in rows {
        out.push_str(&line(&mut row.iter().map(String::as_str)));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_terminal_and_the_environment() {
        let check = |pairs: &[(&str, &str)], terminal| {
            let environment = Environment::from_pairs(pairs.iter().copied());
            colour_of(&environment, terminal)
        };
        assert_eq!(check(&[], true), Colour::On);
        assert_eq!(check(&[], false), Colour::Off);
        assert_eq!(check(&[("NO_COLOR", "1")], true), Colour::Off);
        assert_eq!(check(&[("TERM", "dumb")], true), Colour::Off);
        assert_eq!(check(&[("CLICOLOR_FORCE", "1")], false), Colour::On);
        assert_eq!(check(&[("CLICOLOR_FORCE", "0")], false), Colour::Off);
    }

    #[test]
    fn signs_give_way_to_ascii_where_the_locale_has_none() {
        let check =
            |pairs: &[(&str, &str)]| has_signs(&Environment::from_pairs(pairs.iter().copied()));
        assert!(check(&[]));
        assert!(check(&[("LANG", "de_DE.UTF-8")]));
        assert!(check(&[("LC_ALL", "C.utf8"), ("LANG", "C")]));
        assert!(!check(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]));
        assert!(!check(&[("LANG", "en_US.UTF-8"), ("TERM", "dumb")]));
        assert_eq!(in_ascii("✓ a · b…"), "+ a | b...");
    }

    #[test]
    fn a_strangers_text_moves_no_cursor() {
        assert_eq!(
            without_controls("a\tb\nc\u{1b}[2Jd\u{9b}e"),
            "a\tb\nc?[2Jd?e"
        );
        assert!(matches!(without_controls("plain\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn text_is_cut_and_broken_to_its_columns() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abc defg", 5), "abc…");
        assert_eq!(
            cut_middle("acme-us.openai.azure.com", 15),
            "acme-us…ure.com"
        );
        assert_eq!(wrap("a bb ccc", 4, 4), ["a bb", "ccc"]);
        assert_eq!(wrap("a bb ccc d", 2, 5), ["a", "bb", "ccc d"]);
        assert_eq!(wrap("", 4, 4), [""]);
    }

    #[test]
    fn a_listing_is_aligned_for_people_and_tabbed_for_programs() {
        let rows = [
            vec!["a".to_owned(), "1".to_owned()],
            vec!["long".to_owned(), "22".to_owned()],
        ];
        let reader = Reader::plain(80);
        assert_eq!(
            table(&reader, &["NAME", "N"], &rows),
            "NAME  N\na     1\nlong  22\n"
        );
        let program = Reader {
            terminal: false,
            ..reader
        };
        assert_eq!(table(&program, &["NAME", "N"], &rows), "a\t1\nlong\t22\n");
    }
}
