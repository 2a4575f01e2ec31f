//! Whatever the text, the reader ends, in time and without a panic.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::{check, codes};
use crate::diagnostic::Colour;

/// Pieces that a YAML reader stumbles over.
const PIECES: &[&str] = &[
    "a",
    ": ",
    "\n",
    "  ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&x ",
    "*x",
    "|",
    ">",
    "\"",
    "'",
    "#",
    "---",
    "...",
    "!!str ",
    "!t ",
    "? ",
    "\t",
    "${X}",
    "${X:-",
    "${file:/",
    "$${",
    "%YAML 1.2\n",
    "providers",
    "models",
    "targets",
    "openai",
    "/",
    "é",
    "\u{2028}",
    "\u{0}",
    "\u{feff}",
    "\r\n",
    "~",
    "null",
    "<<",
    "0",
    "1e9",
    "routes",
    "keys",
    "secret",
    "timeout",
    "server",
    "listen",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_panics_the_reader(text in "\\PC*") {
        render(&text);
    }

    #[test]
    fn no_mixture_of_yaml_panics_the_reader(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..60)
    ) {
        render(&pieces.concat());
    }

    #[test]
    fn no_cut_of_a_good_file_panics_the_reader(cut in 0..3_000_usize, insert in "\\PC{0,3}") {
        let text: String = super::policy::EVERYTHING.chars().take(cut).collect();
        render(&(text + &insert));
    }
}

fn render(text: &str) {
    for one in check(text) {
        assert!(!one.render_human(Colour::On).is_empty());
        assert!(one.to_json().is_object());
    }
}

#[test]
fn an_alias_bomb_is_refused_before_it_grows() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for at in 1..12 {
        let before = format!("*a{}", at - 1);
        let list = vec![before; 10].join(", ");
        writeln!(text, "a{at}: &a{at} [{list}]").unwrap();
    }
    assert_eq!(codes(&check(&text)), ["file_too_large"]);
}

#[test]
fn ten_thousand_values_are_the_most() {
    let text = format!("a: [{}]\n", "1,".repeat(10_001));
    assert_eq!(codes(&check(&text)), ["file_too_large"]);
    let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(codes(&check(&deep(65))), ["file_too_large"]);
    assert_eq!(check(&deep(10_000)).len(), 1);
    let long = format!("# {}\n", "x".repeat(2 << 20));
    assert_eq!(codes(&check(&long)), ["file_too_large"]);
    assert_eq!(codes(&check("a: &a [*a]")), ["bad_yaml"]);
}
