//! The binary: arguments, wiring, exit codes. What it does is in the crates; `serve` is put together in [`wiring`].

mod admin_listener;

mod descriptors;

mod drain;

mod ground;

mod handover;

mod inherited;

mod notify;

mod error;

mod leash;

mod pages;

mod probe;

#[cfg(test)]
mod reference;

mod running;

mod screen;

mod settings;

mod signals;

mod state;

mod wiring;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An AI gateway that survives bad upstreams, explains every failure, and governs every call.
#[derive(Debug, Parser)]
#[command(name = "goodgate", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the gateway.
    #[command(visible_alias = "start", alias = "up")]
    Serve(ServeArguments),
    #[command(flatten)]
    Other(cli::Verb),
}

/// What `serve` takes.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The configuration file. Default: goodgate.yaml here, in ~/.config/goodgate or in /etc/goodgate; without any,
    /// what the environment names.
    #[arg(long, env = "GOODGATE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address and port to listen on. Default: 127.0.0.1:4000.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// The folder for keys and records. Default: ~/.local/state/goodgate or /var/lib/goodgate.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state: Option<PathBuf>,
    /// How log lines are written: auto, pretty or json. Default: pretty on a terminal, else json.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// Take over from the gateway that runs on the same state folder, without losing a call: it hands its sockets on and
    /// ends when its calls have. Where none runs, start as usual.
    #[arg(long)]
    pub(crate) takeover: bool,
    /// Offer the scripted demo models even where a provider or a configuration file exists.
    #[arg(long)]
    pub(crate) demo: bool,
    /// End, as by SIGTERM, when standard input ends: for programs that start a gateway for themselves.
    #[arg(long)]
    pub(crate) until_stdin_ends: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.verb {
        Verb::Serve(arguments) => {
            if arguments.until_stdin_ends {
                leash::hold();
            }
            serve(&arguments)
        }
        Verb::Other(verb) => cli::run(verb, Arguments::command()),
    }
}

fn serve(arguments: &ServeArguments) -> ExitCode {
    match wiring::serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
