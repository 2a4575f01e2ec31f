//! A look at whole answers that are passed on as they are.

use std::borrow::Cow;

use types::TokenUsage;

use crate::fault::{ErrorWords, ReplyFault};
use crate::json::Letters;
use crate::openai_chat::shallow;
use crate::{Dialect, canonical, decode_reply, error_words, whole};

/// What a whole answer says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyFacts<'b> {
    /// The tokens it cost.
    pub usage: TokenUsage,
    /// Why the model stopped, in the dialect's word.
    pub finish_reason: Option<Cow<'b, str>>,
    /// The model it names.
    pub model: Option<Cow<'b, str>>,
}

/// Checks a whole answer that is passed on as it is.
///
/// # Errors
/// It is no answer of this dialect.
pub fn inspect_reply(dialect: Dialect, body: &[u8]) -> Result<ReplyFacts<'_>, ReplyFault> {
    match dialect {
        Dialect::OpenaiChat | Dialect::MistralChat => inspect_choices(body),
        Dialect::AnthropicMessages | Dialect::Gemini => {
            let reply = decode_reply(dialect, body)?;
            let finish = reply
                .choices
                .first()
                .map(|choice: &canonical::Choice| Cow::Owned(choice.finish.word().to_owned()));
            Ok(ReplyFacts {
                usage: reply.usage,
                finish_reason: finish,
                model: reply.model.map(Cow::Owned),
            })
        }
    }
}

fn inspect_choices(body: &[u8]) -> Result<ReplyFacts<'_>, ReplyFault> {
    let outline = match shallow::outline(body) {
        Ok(outline) => outline,
        Err(bad) => return Err(whole::answer(body).err().unwrap_or_else(|| bad.into())),
    };
    if outline.letters == Letters::Unknown {
        whole::text(body)?;
    }
    let what = match outline.choices {
        _ if outline.error => {
            return Err(ReplyFault::ErrorObject(
                error_words::read(body).unwrap_or_default(),
            ));
        }
        _ if outline.failed() => {
            return Err(ReplyFault::ErrorObject(Box::new(ErrorWords::of_kind(
                "error",
            ))));
        }
        Some(0) => "`choices` is empty",
        Some(_) if !outline.messages => "a choice has no `message`",
        Some(_) => {
            return Ok(ReplyFacts {
                usage: outline.usage.unwrap_or_default(),
                finish_reason: outline.finish.and_then(|text| text.read()),
                model: outline.model.and_then(|text| text.read()),
            });
        }
        None => "there is no `choices`",
    };
    Err(error_words::read(body).map_or_else(|| ReplyFault::shape(what), ReplyFault::ErrorObject))
}
