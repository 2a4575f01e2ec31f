//! `ui`: a link that signs a browser in, once.

use std::process::ExitCode;

use clap::Args;
use http::Method;

use crate::output;
use crate::running::{Running, Which};

/// What `ui` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let asked = Running::find(&arguments.which)
        .and_then(|running| running.ask(&Method::POST, "/api/v1/session/links"));
    match asked {
        Ok(body) => {
            let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            let url = answer
                .get("url")
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default();
            output::result(&format!("{url}\n"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::talk(&format!("goodgate: {error}\n"));
            ExitCode::from(error.exit_code())
        }
    }
}
