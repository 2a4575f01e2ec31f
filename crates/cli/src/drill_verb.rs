//! `drill`: the scripted faulty server as a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use drill::{Drill, Options, Script, Style, TlsScript};

use crate::{exit, output};

/// What `drill` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where it listens; port 0 takes a free one. The URL is printed.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Whose API it speaks.
    #[arg(long = "as", value_enum, default_value_t = As::All)]
    style: As,
    /// What it does to which request; see docs/drill.md.
    #[arg(long, value_name = "FILE", conflicts_with = "fault")]
    script: Option<PathBuf>,
    /// One fault, done to every request: html-502, stall-before-head, cut-after-event; docs/drill.md lists them.
    #[arg(long, value_name = "NAME")]
    fault: Option<String>,
    /// Speak TLS: good, expired, wrong-name, self-signed, handshake-failure; docs/drill.md lists them.
    #[arg(long, value_name = "NAME", value_parser = tls)]
    tls: Option<TlsScript>,
    /// A file to which the authority that a client should trust is written, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls")]
    authority: Option<PathBuf>,
    /// A file to which a line of JSON is appended for each request.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum As {
    /// By the path of each request.
    All,
    Openai,
    Anthropic,
    Gemini,
    Mistral,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let script = match script(arguments) {
        Ok(script) => script,
        Err(message) => {
            output::talk(&format!("goodgate: {message}\n"));
            return ExitCode::from(exit::INVALID);
        }
    };
    let style = match arguments.style {
        As::All => Style::All,
        As::Openai => Style::OpenAi,
        As::Anthropic => Style::Anthropic,
        As::Gemini => Style::Gemini,
        As::Mistral => Style::Mistral,
    };
    let options = Options {
        listen: arguments.listen,
        style,
        script,
        log_file: arguments.log.clone(),
        tls: arguments.tls,
        ..Options::default()
    };
    match Drill::start(options) {
        Ok(drill) => {
            if let Err(message) = write_authority(arguments, &drill) {
                output::talk(&format!("goodgate: {message}\n"));
                return ExitCode::from(exit::FAILURE);
            }
            output::result(&format!("{}\n", drill.url()));
            drill.wait();
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::talk(&format!(
                "goodgate: the drill cannot listen on {}: {error}\n",
                arguments.listen
            ));
            ExitCode::from(exit::FAILURE)
        }
    }
}

/// Reads a name of a way to do TLS.
fn tls(name: &str) -> Result<TlsScript, String> {
    TlsScript::named(name).ok_or_else(|| {
        let all: Vec<String> = TlsScript::ALL.iter().map(|one| one.name()).collect();
        format!("there are {}", all.join(", "))
    })
}

fn write_authority(arguments: &Arguments, drill: &Drill) -> Result<(), String> {
    let (Some(path), Some(pem)) = (&arguments.authority, drill.authority()) else {
        return Ok(());
    };
    std::fs::write(path, pem).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn script(arguments: &Arguments) -> Result<Script, String> {
    if let Some(name) = &arguments.fault {
        // A name is looked up as in a script.
        let text = serde_json::json!({"rules": [{"fault": name}]}).to_string();
        return Script::from_json(&text).map_err(|error| match error {
            drill::ScriptError::Json(error) => {
                let said = error.to_string();
                // Where in our own line it stands helps nobody.
                let said = said.split(" at line ").next().unwrap_or_default();
                format!("{said}; docs/drill.md lists them")
            }
            other @ drill::ScriptError::Rule { .. } => other.to_string(),
        });
    }
    let Some(path) = &arguments.script else {
        return Ok(Script::default());
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Script::from_json(&text).map_err(|error| format!("{}: {error}", path.display()))
}
