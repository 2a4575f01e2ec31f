//! The pages about codes, from `docs/errors`.

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../docs/errors"]
#[allow_missing = true]
struct Pages;

/// A word that can be a page's name; anything else never reaches the file system.
fn is_word(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= 64
        && word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether there is a page of that name.
pub(crate) fn exists(word: &str) -> bool {
    is_word(word) && Pages::get(&format!("{word}.md")).is_some()
}

/// The page, Markdown.
pub(crate) fn read(word: &str) -> Option<String> {
    if !is_word(word) {
        return None;
    }
    let page = Pages::get(&format!("{word}.md"))?;
    String::from_utf8(page.data.into_owned()).ok()
}
