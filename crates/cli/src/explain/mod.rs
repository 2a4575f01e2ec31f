//! `explain`: why a call failed, what an incident was, or what a code means.

mod code;

mod incident;

mod paste;

mod request;

use std::io::Read;
use std::process::ExitCode;

use clap::Args;
use diagnosis::Code;
use types::CallId;

use crate::exit;
use crate::output::{self, Reader};
use crate::running::{NotAsked, Running, Which};

/// A pasted text is read up to this.
const MAX_PASTED: u64 = 1 << 20;

/// What `explain` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A request's id (`req_…`), an incident's (`inc_0142`), a code (`bad_gateway`), an HTTP status, or `-`: an error
    /// body or an exception's text on standard input.
    #[arg(value_name = "REQUEST_ID|INCIDENT|CODE|STATUS|-")]
    what: String,
    #[command(flatten)]
    which: Which,
    /// Print what the admin API answers, as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let what = arguments.what.trim();
    if what == "-" {
        return pasted(arguments);
    }
    if let Some(id) = CallId::parse(what) {
        return request(arguments, id);
    }
    if incident::is_one(what) {
        return of_incident(arguments, what);
    }
    match code::explain(what) {
        Some(text) => {
            output::result(&text);
            ExitCode::SUCCESS
        }
        None => {
            output::talk(&unknown(what));
            ExitCode::from(exit::NOT_FOUND)
        }
    }
}

/// What stands on standard input: the call it names where a gateway has it, else what it says by itself.
fn pasted(arguments: &Arguments) -> ExitCode {
    let mut text = String::new();
    let read = std::io::stdin()
        .lock()
        .take(MAX_PASTED)
        .read_to_string(&mut text);
    if let Err(error) = read {
        output::talk(&format!(
            "goodgate: standard input cannot be read: {error}\n"
        ));
        return ExitCode::from(exit::FAILURE);
    }
    let found = paste::Pasted::find(&text);
    if let Some(id) = found.id {
        let asked = Running::find(&arguments.which)
            .and_then(|running| running.ask_for_call(&format!("/api/v1/requests/{id}")));
        if let Ok(body) = asked {
            return show(arguments, &body);
        }
    }
    match found.explain() {
        Some(text) => {
            output::result(&text);
            ExitCode::SUCCESS
        }
        None => {
            output::talk(
                "goodgate: there is no request id (req_ and 26 characters), no code and no error body of goodgate's in it\n",
            );
            ExitCode::from(exit::NOT_FOUND)
        }
    }
}

fn request(arguments: &Arguments, id: CallId) -> ExitCode {
    let asked = Running::find(&arguments.which)
        .and_then(|running| running.ask_for_call(&format!("/api/v1/requests/{id}")));
    match asked {
        Ok(body) => show(arguments, &body),
        Err(error) => {
            output::talk(&format!("goodgate: {error}\n"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn of_incident(arguments: &Arguments, id: &str) -> ExitCode {
    let asked = Running::find(&arguments.which).and_then(|running| {
        let answer: serde_json::Value = running.read(&format!("/api/v1/incidents/{id}"))?;
        if arguments.json {
            return Ok(format!("{answer}\n"));
        }
        let detail = serde_json::from_value(answer).map_err(NotAsked::NotUnderstood)?;
        Ok(incident::explain(&detail, &Reader::now()))
    });
    match asked {
        Ok(text) => {
            output::result(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::talk(&format!("goodgate: {error}\n"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn show(arguments: &Arguments, body: &[u8]) -> ExitCode {
    if arguments.json {
        output::result(&format!("{}\n", String::from_utf8_lossy(body)));
        return ExitCode::SUCCESS;
    }
    match serde_json::from_slice(body) {
        Ok(call) => {
            output::result(&request::explain(&call, &Reader::now()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let error = NotAsked::NotUnderstood(error);
            output::talk(&format!("goodgate: {error}\n"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// The explanation of a call, for other verbs.
pub(crate) fn of_request(running: &Running, id: &str) -> Result<String, NotAsked> {
    let body = running.ask_for_call(&format!("/api/v1/requests/{id}"))?;
    let call = serde_json::from_slice(&body).map_err(NotAsked::NotUnderstood)?;
    Ok(request::explain(&call, &Reader::now()))
}

/// A call's attempts alone, for other verbs.
pub(crate) fn timeline_of(running: &Running, id: &str) -> Result<String, NotAsked> {
    let body = running.ask_for_call(&format!("/api/v1/requests/{id}"))?;
    let call = serde_json::from_slice(&body).map_err(NotAsked::NotUnderstood)?;
    Ok(request::attempts(&call, &Reader::now()))
}

/// Near names: codes with a word in common.
fn unknown(what: &str) -> String {
    let words: Vec<&str> = what
        .split(['_', '-', ' '])
        .filter(|word| word.len() > 2)
        .collect();
    let near: Vec<&str> = Code::ALL
        .iter()
        .map(|code| code.as_str())
        .filter(|name| words.iter().any(|word| name.contains(word)))
        .take(5)
        .collect();
    let hint = if near.is_empty() {
        String::new()
    } else {
        format!(" Did you mean {}?", near.join(", "))
    };
    format!(
        "goodgate: '{what}' is no request id (req_ and 26 characters), no incident (inc_ and a number), no code and no status.{hint}\n"
    )
}
