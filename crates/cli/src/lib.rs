//! Every verb of the command line but `serve`: one file each.
//!
//! A verb speaks to a running gateway through its admin API only; `check`, `doctor`, `drill` and `explain CODE` need none.

pub mod asking;

pub mod check;

pub mod doctor;

pub mod drill_verb;

pub mod env;

pub mod explain;

mod figures;

pub mod link;

mod output;

pub mod owner;

pub mod running;

pub mod schema;

mod spans;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Say what is wrong with a configuration, all of it, without network or secrets.
    Check(check::Arguments),
    /// Say what works and what does not: this machine, then each upstream, layer by layer.
    Doctor(doctor::Arguments),
    /// Say why a call failed, or what a code means: `req_…`, a code, or an HTTP status.
    Explain(explain::Arguments),
    /// Print the lines that point a shell's programs at the running gateway: eval "$(goodgate env)".
    Env(env::Arguments),
    /// Print a link that signs a browser in to the web UI, once.
    Ui(link::Arguments),
    /// Run a server that answers like OpenAI, Anthropic, Gemini or Mistral, and misbehaves on script.
    Drill(drill_verb::Arguments),
    /// Show facts about the configuration.
    #[command(subcommand)]
    Config(schema::Verb),
}

/// The exit codes, as they are documented: 0 ok, 1 failure, 2 usage, 3 configuration invalid, 4 not authorised,
/// 5 not found, 6 gateway unreachable.
mod exit {
    pub(crate) const FAILURE: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const INVALID: u8 = 3;
    pub(crate) const NOT_AUTHORISED: u8 = 4;
    pub(crate) const NOT_FOUND: u8 = 5;
    pub(crate) const UNREACHABLE: u8 = 6;
}

/// Runs a verb.
#[must_use]
pub fn run(verb: Verb) -> ExitCode {
    match verb {
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Doctor(arguments) => doctor::run(&arguments),
        Verb::Explain(arguments) => explain::run(&arguments),
        Verb::Env(arguments) => env::run(&arguments),
        Verb::Ui(arguments) => link::run(&arguments),
        Verb::Drill(arguments) => drill_verb::run(&arguments),
        Verb::Config(verb) => schema::run(&verb),
    }
}

/// The file that a shell would start for a name.
#[must_use]
pub fn on_path(name: &str) -> Option<PathBuf> {
    let environment = config::Environment::capture();
    let path = environment.get("PATH")?;
    std::env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
