//! What whole answers of all dialects have in common: no body, no JSON, an error in the place of an answer.

use crate::error_words;
use crate::fault::ReplyFault;
use crate::json::{Node, Object};

/// The members of an answer that holds no error.
pub(crate) fn answer(body: &[u8]) -> Result<Object<'_>, ReplyFault> {
    let node = Node::parse(text(body)?)?;
    let Some(members) = node.object() else {
        return Err(no_answer(body, &format!("it is {}", node.shape().name())));
    };
    if members.get("error").is_some_and(|node| !node.is_nothing()) {
        return Err(ReplyFault::ErrorObject(
            error_words::read(body).unwrap_or_default(),
        ));
    }
    Ok(members)
}

/// JSON of the wrong shape: an error in disguise, else no answer at all.
pub(crate) fn no_answer(body: &[u8], what: &str) -> ReplyFault {
    error_words::read(body).map_or_else(|| ReplyFault::shape(what), ReplyFault::ErrorObject)
}

/// Neither empty nor other than UTF-8.
pub(crate) fn text(body: &[u8]) -> Result<&str, ReplyFault> {
    let text = std::str::from_utf8(body).map_err(|bad| ReplyFault::NotJson {
        at: bad.valid_up_to(),
    })?;
    if text.trim_ascii().is_empty() {
        Err(ReplyFault::Empty)
    } else {
        Ok(text)
    }
}
