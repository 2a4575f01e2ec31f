//! Finds the configuration, or makes one of what the environment names.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use config::{Candidate, Diagnostic, Discovery, Environment, Loaded, Severity, Snapshot, Source};

use crate::ServeArguments;

/// Where the settings come from, so that they can be read again.
#[derive(Debug)]
pub(crate) struct Settings {
    environment: Environment,
    file: Option<PathBuf>,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) snapshot: Snapshot,
    pub(crate) warnings: Vec<Diagnostic>,
    /// What the environment gave, where there is no file.
    pub(crate) discovery: Option<Facts>,
}

/// What the start screen tells of a discovery.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) found: Vec<config::Found>,
    pub(crate) missing: Vec<String>,
    pub(crate) ignored: Vec<config::Ignored>,
    pub(crate) candidates: Vec<Candidate>,
}

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error(transparent)]
    Unreadable(#[from] config::Unreadable),
    #[error("the configuration is invalid")]
    Invalid(Vec<Diagnostic>),
}

impl Settings {
    /// Settings as the command line names them.
    pub(crate) fn new(arguments: &ServeArguments) -> Self {
        let mut environment = Environment::capture();
        if let Some(listen) = arguments.listen {
            environment = environment.with_flag("server.listen", &listen.to_string());
        }
        if let Some(format) = &arguments.log_format {
            environment = environment.with_flag("telemetry.log.format", format);
        }
        if arguments.demo {
            environment = environment.with_flag("demo", "true");
        }
        let file = arguments.config.clone().or_else(|| {
            let mut places = environment.search_path().into_iter();
            places.find(|path| path.is_file())
        });
        Self { environment, file }
    }

    /// What the process was started with.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// From now on it listens where sockets are open already, whatever the file says.
    pub(crate) fn with_listeners(
        mut self,
        door: Option<SocketAddr>,
        admin: Option<SocketAddr>,
    ) -> Self {
        for (setting, address) in [("server.listen", door), ("admin.listen", admin)] {
            if let Some(address) = address {
                self.environment = self.environment.with_flag(setting, &address.to_string());
            }
        }
        self
    }

    /// The state folder that the environment names.
    pub(crate) fn state_folder(&self) -> PathBuf {
        self.environment.state_folder()
    }

    /// The file, if there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// From now on the demo models run there.
    pub(crate) fn with_demo_url(mut self, url: &str) -> Self {
        self.environment = self.environment.with_demo_url(url);
        self
    }

    /// Reads everything (again).
    pub(crate) fn read(&self, answered: &[Candidate]) -> Result<Read, SettingsError> {
        let Some(path) = &self.file else {
            let discovery = config::discover_with(&self.environment, None, answered);
            return from_discovery(discovery);
        };
        let source = Source::read(path)?;
        let Loaded { snapshot, warnings } =
            config::load(&source, &self.environment).map_err(SettingsError::Invalid)?;
        Ok(Read {
            snapshot,
            warnings,
            discovery: None,
        })
    }
}

/// A variable or flag that is wrong is an error, as it would be in a file.
fn from_discovery(discovery: Discovery) -> Result<Read, SettingsError> {
    let Discovery {
        snapshot,
        found,
        missing,
        ignored,
        candidates,
        diagnostics,
    } = discovery;
    if diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
    {
        return Err(SettingsError::Invalid(diagnostics));
    }
    let missing = missing
        .iter()
        .map(|(_, variable)| (*variable).to_owned())
        .collect();
    let facts = Facts {
        found,
        missing,
        ignored,
        candidates,
    };
    Ok(Read {
        snapshot,
        warnings: diagnostics,
        discovery: Some(facts),
    })
}
