//! `check`: what is wrong with a configuration, all of it at once.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use config::{Diagnostic, Environment, Severity, Source};

use crate::{exit, output};

/// What `check` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file. Default: the one that `serve` would use.
    file: Option<PathBuf>,
    /// How findings are written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Take unset variables as empty places, not as errors.
    #[arg(long)]
    allow_missing_env: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// With lines and carets.
    Human,
    /// One JSON array.
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let mut environment = Environment::capture();
    if arguments.allow_missing_env {
        environment = environment.allowing_missing();
    }
    let source = match Source::find(arguments.file.as_deref(), &environment) {
        Ok(Some(source)) => source,
        Ok(None) => {
            output::talk(
                "goodgate: no configuration file here, in ~/.config/goodgate or in /etc/goodgate; name one: goodgate check FILE\n",
            );
            return ExitCode::from(exit::NOT_FOUND);
        }
        Err(error) => {
            output::talk(&format!("goodgate: {error}: {}\n", error.source));
            return ExitCode::from(exit::NOT_FOUND);
        }
    };
    let (findings, valid) = match config::load(&source, &environment) {
        Ok(loaded) => (loaded.warnings, true),
        Err(findings) => (findings, false),
    };
    match arguments.format {
        Format::Human => output::result(&human(&findings, valid)),
        Format::Json => {
            let list: Vec<_> = findings.iter().map(Diagnostic::to_json).collect();
            output::result(&format!("{}\n", serde_json::Value::from(list)));
        }
    }
    if valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::INVALID)
    }
}

fn human(findings: &[Diagnostic], valid: bool) -> String {
    let text: String = findings
        .iter()
        .map(|finding| finding.render_human(output::colour()))
        .collect();
    let count = |severity| {
        findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors == 0 && warnings == 0 {
        return "the configuration is valid\n".to_owned();
    }
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let verdict = if valid {
        "valid"
    } else {
        "not valid: a running gateway keeps the one it has"
    };
    let (ones, others) = (plural(errors), plural(warnings));
    let more = findings
        .first()
        .map(|finding| format!(" · more: goodgate explain {}", finding.code));
    let more = more.unwrap_or_default();
    format!("{text}{errors} error{ones}, {warnings} warning{others} · {verdict}{more}\n")
}
