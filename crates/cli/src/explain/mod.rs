//! `explain`: why a call failed, or what a code means.

mod code;

mod request;

use std::process::ExitCode;

use clap::Args;
use diagnosis::Code;
use types::CallId;

use crate::running::{Running, Which};
use crate::{exit, output};

/// What `explain` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A request's id (`req_…`), a code (`bad_gateway`), or an HTTP status.
    what: String,
    #[command(flatten)]
    which: Which,
    /// Print what the admin API answers, as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let what = arguments.what.trim();
    if let Some(id) = CallId::parse(what) {
        return request(arguments, id);
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

fn request(arguments: &Arguments, id: CallId) -> ExitCode {
    let asked = Running::find(&arguments.which)
        .and_then(|running| running.ask_for_call(&format!("/api/v1/requests/{id}")));
    match asked {
        Ok(body) if arguments.json => {
            output::result(&format!("{}\n", String::from_utf8_lossy(&body)))
        }
        Ok(body) => match serde_json::from_slice(&body) {
            Ok(call) => output::result(&request::explain(&call)),
            Err(error) => {
                output::talk(&format!(
                    "goodgate: the gateway's answer is not understood: {error}\n"
                ));
                return ExitCode::from(exit::FAILURE);
            }
        },
        Err(error) => {
            output::talk(&format!("goodgate: {error}\n"));
            return ExitCode::from(error.exit_code());
        }
    }
    ExitCode::SUCCESS
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
        "goodgate: '{what}' is no request id (req_ and 26 characters), no code and no status.{hint}\n"
    )
}
