//! From a request to what is done: the script's rule, the path's or the model's fault, the style's answer.

use std::time::Duration;

use bytes::Bytes;

use crate::answer::Answer;
use crate::demo::{self, Behaviour};
use crate::faults::{Fault, HeadQuirk, StreamLie, bend, catalogue};
use crate::http::{Head, Request};
use crate::json::object;
use crate::models::{self, Exchange, Keys, Style};
use crate::plain;
use crate::script::{Facts, Playing, Rule};
use crate::websocket;
use crate::wire::Plan;
use crate::wire::frame::{self, Manner};

/// What is done for a request.
pub(crate) struct Decision {
    pub(crate) plan: Plan,
    /// The status that the answer bears.
    pub(crate) status: Option<u16>,
    pub(crate) fault: Option<String>,
    pub(crate) model: Option<String>,
    /// What is done after an upgrade, where one is asked for and nothing goes wrong before it.
    pub(crate) upgrade: Option<websocket::Behaviour>,
}

/// What is answered, and what goes wrong, before it is put into HTTP/1.1 or HTTP/2.
pub(crate) struct Chosen {
    pub(crate) answer: Answer,
    pub(crate) faults: Vec<Fault>,
    /// The faults' names, where any strikes.
    pub(crate) name: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) split: Option<usize>,
    pub(crate) pace: Option<Duration>,
    upgrade: Option<websocket::Behaviour>,
}

/// How the drill answers, whatever it is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) style: Style,
    pub(crate) keys: Keys,
}

/// The fault that strikes before the body is read.
pub(crate) fn early(head: &Head, playing: &Playing) -> Option<(String, Fault)> {
    let facts = Facts {
        head,
        model: None,
        body: b"",
    };
    if let Some(rule) = playing.choose(&facts, true) {
        let early = rule.fault.iter().find(|f| f.fault.is_early())?;
        return Some((early.name.clone(), early.fault.clone()));
    }
    let (name, _) = plain::forced_fault(head.path())?;
    let entry = catalogue::find(name).filter(|entry| entry.fault.is_early())?;
    Some((entry.name.clone(), entry.fault.clone()))
}

/// Decides what is done for a request that has been read.
pub(crate) fn decide(
    request: &Request,
    playing: &Playing,
    settings: Settings,
    n: u64,
    unix_millis: u64,
) -> Decision {
    let head = &request.head;
    let chosen = choose(request, playing, settings, n, unix_millis);
    let manner = Manner {
        http10: head.minor_version == 0,
        head_only: head.method == "HEAD",
        keep_alive: head.keeps_alive(),
        split: chosen.split,
        pace: chosen.pace,
    };
    Decision {
        plan: frame::plan(&chosen.answer, &chosen.faults, manner),
        status: status(&chosen.answer, &chosen.faults),
        upgrade: chosen.upgrade.filter(|_| chosen.faults.is_empty()),
        fault: chosen.name,
        model: chosen.model,
    }
}

/// Chooses what is answered, and what goes wrong.
pub(crate) fn choose(
    request: &Request,
    playing: &Playing,
    settings: Settings,
    n: u64,
    unix_millis: u64,
) -> Chosen {
    let head = &request.head;
    let attempt = head.attempt().unwrap_or(1);
    let forced = plain::forced_fault(head.path());
    let path = forced.map_or_else(|| head.path(), |(_, rest)| rest);
    let route = models::route(settings.style, path, head);
    let style = route.as_ref().map_or(settings.style, |route| route.style);
    let model = models::model_of(route.as_ref(), &request.body);
    let facts = Facts {
        head,
        model: model.as_deref(),
        body: &request.body,
    };
    let rule = playing.choose(&facts, false);
    let (split, pace) = playing.pieces(rule);

    let behaviour = scripted(rule)
        .or_else(|| forced.map(|(name, _)| demo::named(name)))
        .or_else(|| flaky(path, attempt))
        .or_else(|| {
            model
                .as_deref()
                .map(|model| demo::behaviour(model, style, attempt))
        })
        .unwrap_or_default();
    let is_whole = behaviour.faults.contains(&WHOLE_FOR_A_STREAM);
    let (route, body) = if is_whole {
        models::without_stream(route, &request.body)
    } else {
        (route, request.body.clone())
    };
    let exchange = Exchange {
        head,
        body: &body,
        reply: rule.and_then(|rule| rule.reply.as_ref()),
        keys: settings.keys,
        n,
        created: unix_millis / 1000,
    };
    let mut answer = match &route {
        Some(route) => models::answer(route, &exchange),
        None => plain::resource(path, head, request.body.len())
            .unwrap_or_else(|| plain::not_found(&head.method, path)),
    };
    if let Some(unknown) = unknown_fault(forced, model.as_deref(), rule.is_some()) {
        answer = unknown;
    }
    let faults: Vec<Fault> = behaviour
        .faults
        .into_iter()
        .filter(|fault| strikes(fault, &answer))
        .collect();
    for fault in &faults {
        bend::bend(fault, &mut answer, style);
    }
    Chosen {
        upgrade: websocket::behaviour(path, head),
        answer,
        name: behaviour
            .name
            .filter(|_| !faults.is_empty() || behaviour.pace.is_some()),
        faults,
        model,
        split,
        pace: pace.or(behaviour.pace),
    }
}

/// The fault that answers a stream's request as if it had asked for no stream.
const WHOLE_FOR_A_STREAM: Fault = Fault::Stream {
    lie: StreamLie::WholeJson,
};

/// What a rule says; a reply without a fault says that nothing goes wrong.
fn scripted(rule: Option<&Rule>) -> Option<Behaviour> {
    let rule = rule.filter(|rule| !rule.fault.is_empty() || rule.reply.is_some())?;
    let names: Vec<&str> = rule.fault.iter().map(|fault| fault.name.as_str()).collect();
    Some(Behaviour {
        faults: rule.fault.iter().map(|fault| fault.fault.clone()).collect(),
        name: (!names.is_empty()).then(|| names.join("+")),
        pace: None,
    })
}

/// What a path `/flaky/N/...` says.
fn flaky(path: &str, attempt: u32) -> Option<Behaviour> {
    let faults = plain::flaky(path, attempt)?;
    let name = (!faults.is_empty()).then(|| "html-502".to_owned());
    Some(Behaviour {
        faults,
        name,
        pace: None,
    })
}

/// A fault of streams leaves whole answers alone, and one of whole bodies leaves streams alone.
fn strikes(fault: &Fault, answer: &Answer) -> bool {
    match fault {
        // It has struck when the answer was made.
        whole if *whole == WHOLE_FOR_A_STREAM => true,
        Fault::Stream { .. } | Fault::Pings { .. } => answer.is_stream(),
        Fault::Body { .. } => !answer.is_stream(),
        _ => true,
    }
}

fn status(answer: &Answer, faults: &[Fault]) -> Option<u16> {
    let raw = faults
        .iter()
        .any(|fault| matches!(fault, Fault::Raw { .. }));
    let odd = Fault::Head {
        quirk: HeadQuirk::Status999,
    };
    match (raw, faults.contains(&odd)) {
        (true, _) => None,
        (_, true) => Some(999),
        _ => Some(answer.status),
    }
}

/// Who asks for a fault that does not exist, or not in this way, is told so.
fn unknown_fault(
    forced: Option<(&str, &str)>,
    model: Option<&str>,
    scripted: bool,
) -> Option<Answer> {
    let by_model = model
        .and_then(|model| model.rsplit('/').next())
        .and_then(|last| last.strip_prefix("fault:"));
    let name = forced
        .map(|(name, _)| name)
        .or(by_model)
        .filter(|_| !scripted)?;
    let message = match catalogue::find(name) {
        Some(entry) if entry.fault.is_early() && forced.is_none() => format!(
            "The fault `{name}` strikes before the body is read, so a model in the body cannot ask for it. Use \
             the path /fault/{name}/... or a rule of a script."
        ),
        Some(_) => return None,
        None => {
            let near = catalogue::near(name).join(", ");
            format!("The drill has no fault named `{name}`. Near names: {near}.")
        }
    };
    let error = object! { "message" => message, "type" => "invalid_request_error" };
    Some(Answer::json(404, &object! { "error" => error }))
}

/// The answer to a request that cannot be read.
pub(crate) fn unreadable(reason: &str, status: u16) -> Decision {
    let message = format!("The drill could not read the request: {reason}.");
    let error = object! { "message" => message, "type" => "invalid_request_error" };
    let answer = Answer::json(status, &object! { "error" => error });
    plain_decision(&answer, None)
}

/// An answer without faults, after which the connection ends.
pub(crate) fn plain_decision(answer: &Answer, fault: Option<String>) -> Decision {
    Decision {
        plan: frame::plan(answer, &[], Manner::default()),
        status: Some(answer.status),
        fault,
        model: None,
        upgrade: None,
    }
}

/// A request of which only the head was read.
pub(crate) fn without_body(head: Head) -> Request {
    Request {
        head,
        body: Bytes::new(),
    }
}
