//! What a code means, offline: the page of the code, the word of `check` or `doctor`, or the codes of a status.

use std::fmt::Write;

use diagnosis::Code;

/// The explanation of a code, of a word of `check` or `doctor`, or of an HTTP status.
pub(super) fn explain(what: &str) -> Option<String> {
    if let Some(code) = Code::parse(what) {
        return Some(code.page().to_owned());
    }
    if let Some((word, text)) = config::words().iter().find(|(word, _)| *word == what) {
        return Some(format!("{word} (found by goodgate check)\n\n{text}\n"));
    }
    if let Some(text) = crate::doctor::words::explain(what) {
        return Some(text);
    }
    let status: u16 = what
        .parse()
        .ok()
        .filter(|status| (100..600).contains(status))?;
    by_status(status)
}

/// The codes with which a client sees this status.
fn by_status(status: u16) -> Option<String> {
    let mut text = format!(
        "A client sees {status} with one of these codes (x-goodgate-code tells which):\n\n"
    );
    let mut any = false;
    for code in Code::ALL.iter().filter(|code| code.facts().http == status) {
        any = true;
        writeln!(text, "  {:<28} {}", code.as_str(), code.facts().meaning).unwrap_or_default();
    }
    text.push_str("\ngoodgate explain CODE tells more.\n");
    any.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_an_explanation_that_names_it() {
        for code in Code::ALL {
            let text = explain(code.as_str()).unwrap();
            assert!(text.contains(code.as_str()), "{text}");
        }
    }

    #[test]
    fn a_status_lists_its_codes_and_nonsense_nothing() {
        assert!(explain("502").unwrap().contains("bad_gateway"));
        assert_eq!(explain("299"), None);
        assert_eq!(explain("no_such_code"), None);
    }

    #[test]
    fn the_words_of_check_are_known() {
        for (word, text) in config::words() {
            assert!(explain(word).unwrap().contains(text));
        }
    }
}
