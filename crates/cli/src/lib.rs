//! Every verb of the command line but `serve`: one file each.
//!
//! A verb speaks to a running gateway through its admin API only (and `call` as any caller does); `check`, `doctor`,
//! `drill`, `init` and `explain CODE` need none, `demo` and `run` start one for themselves.

pub mod asking;

pub mod call;

mod calling;

pub mod check;

pub mod completion;

mod condition;

pub mod demo;

pub mod doctor;

pub mod drill_verb;

pub mod env;

pub mod explain;

mod figures;

pub mod init;

pub mod inventory;

pub mod link;

pub mod logs;

mod output;

pub mod owner;

pub mod run_verb;

pub mod running;

pub mod schema;

mod spans;

mod started;

pub mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a program with the gateway in its environment; starts one where none runs: run -- python app.py.
    Run(run_verb::Arguments),
    /// Print the lines that point a shell's programs at the running gateway: eval "$(goodgate env)".
    Env(env::Arguments),
    /// Make one call and show what it took.
    Call(call::Arguments),
    /// Show an outage in half a minute: a gateway of its own, a primary that dies, and what was saved.
    Demo(demo::Arguments),
    /// Write a commented goodgate.yaml of what this machine has.
    Init(init::Arguments),
    /// Say why a call failed, what an incident was, or what a code means: `req_…`, `inc_…`, a code, an HTTP status, or `-`.
    Explain(explain::Arguments),
    /// Say what is wrong with a configuration, all of it, without network or secrets.
    Check(check::Arguments),
    /// Say what works and what does not: this machine, then each upstream, layer by layer.
    Doctor(doctor::Arguments),
    /// Show the running gateway on one screen; exit code 6 where none answers.
    Status(status::Arguments),
    /// Show calls that ended, one line each.
    Logs(logs::Arguments),
    /// List, test, drain and resume providers.
    #[command(subcommand)]
    Providers(inventory::Providers),
    /// List models.
    #[command(subcommand)]
    Models(inventory::Models),
    /// Print a link that signs a browser in to the web UI, once.
    Ui(link::Arguments),
    /// Run a server that answers like OpenAI, Anthropic, Gemini or Mistral, and misbehaves on script.
    Drill(drill_verb::Arguments),
    /// Show facts about the configuration.
    #[command(subcommand)]
    Config(schema::Verb),
    /// Print a shell's completions.
    Completion(completion::Arguments),
}

/// The exit codes, as they are documented: 0 ok, 1 failure, 2 usage, 3 configuration invalid, 4 not authorised,
/// 5 not found, 6 gateway unreachable, 130 interrupted.
mod exit {
    pub(crate) const FAILURE: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const INVALID: u8 = 3;
    pub(crate) const NOT_AUTHORISED: u8 = 4;
    pub(crate) const NOT_FOUND: u8 = 5;
    pub(crate) const UNREACHABLE: u8 = 6;
    pub(crate) const INTERRUPTED: u8 = 130;
}

/// Runs a verb; `command` is the whole program's command line.
#[must_use]
pub fn run(verb: Verb, command: clap::Command) -> ExitCode {
    match verb {
        Verb::Run(arguments) => run_verb::run(&arguments),
        Verb::Env(arguments) => env::run(&arguments),
        Verb::Call(arguments) => call::run(&arguments),
        Verb::Demo(arguments) => demo::run(&arguments),
        Verb::Init(arguments) => init::run(&arguments),
        Verb::Explain(arguments) => explain::run(&arguments),
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Doctor(arguments) => doctor::run(&arguments),
        Verb::Status(arguments) => status::run(&arguments),
        Verb::Logs(arguments) => logs::run(&arguments),
        Verb::Providers(verb) => inventory::providers(&verb),
        Verb::Models(verb) => inventory::models(&verb),
        Verb::Ui(arguments) => link::run(&arguments),
        Verb::Drill(arguments) => drill_verb::run(&arguments),
        Verb::Config(verb) => schema::run(&verb),
        Verb::Completion(arguments) => completion::run(&arguments, command),
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
