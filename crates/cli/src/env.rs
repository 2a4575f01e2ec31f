//! `env`: the lines that point a shell's programs at the running gateway.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use http::Method;

use crate::output;
use crate::running::{NotAsked, Running, Which};

/// What `env` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Whose syntax.
    #[arg(long, value_enum, default_value_t = Shell::Bash)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let lines = Running::find(&arguments.which).and_then(|running| {
        // Lines that point at nothing would only move the error to the next program.
        running.ask(&Method::GET, "/api/v1/status")?;
        variables(&running)
    });
    match lines {
        Ok(lines) => {
            let text: String = lines
                .iter()
                .map(|(name, value)| line(arguments.shell, name, value))
                .collect();
            output::result(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::talk(&format!("goodgate: {error}\n"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// The variables that SDKs read: those of the forms of calls that the gateway answers, which is OpenAI's.
pub(crate) fn variables(running: &Running) -> Result<[(&'static str, String); 2], NotAsked> {
    let base_url = format!("http://{}/v1", running.address());
    Ok([
        ("OPENAI_BASE_URL", base_url),
        ("OPENAI_API_KEY", running.first_key()?),
    ])
}

/// Values are URLs and keys: no shell reads anything else into them.
fn line(shell: Shell, name: &str, value: &str) -> String {
    match shell {
        Shell::Bash | Shell::Zsh => format!("export {name}={value}\n"),
        Shell::Fish => format!("set -gx {name} {value}\n"),
        Shell::Powershell => format!("$Env:{name} = '{value}'\n"),
    }
}
