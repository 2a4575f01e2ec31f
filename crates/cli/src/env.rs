//! `env`: the lines that point a shell's programs at the running gateway.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::output;
use crate::running::{Running, Which};

/// What `env` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Whose syntax. Default: that of bash and zsh.
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
        let key = running.first_key()?;
        Ok([
            (
                "OPENAI_BASE_URL",
                format!("http://{}/v1", running.address()),
            ),
            ("OPENAI_API_KEY", key),
        ])
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

/// Values are URLs and keys: no shell reads anything else into them.
fn line(shell: Shell, name: &str, value: &str) -> String {
    match shell {
        Shell::Bash | Shell::Zsh => format!("export {name}={value}\n"),
        Shell::Fish => format!("set -gx {name} {value}\n"),
        Shell::Powershell => format!("$Env:{name} = '{value}'\n"),
    }
}
