//! `config schema`: the JSON Schema of goodgate.yaml, for editors.

use std::process::ExitCode;

use clap::Subcommand;

use crate::output;

/// The verbs of `config`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Print the JSON Schema of goodgate.yaml.
    Schema,
}

pub(crate) fn run(verb: &Verb) -> ExitCode {
    match verb {
        Verb::Schema => output::result(&config::schema_json()),
    }
    ExitCode::SUCCESS
}
