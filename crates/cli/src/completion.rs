//! `completion`: what a shell needs to complete commands and options.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use crate::output;

/// What `completion` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which shell.
    #[arg(value_parser = clap::builder::EnumValueParser::<Shell>::new())]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, mut command: Command) -> ExitCode {
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, "goodgate", &mut script);
    output::piece(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}
