//! The environment, captured once: nothing else in the workspace reads it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Environment variables, flags of the command line, and the address of the demo models once they run.
///
/// `Debug` shows names only: values may be secrets.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    flags: Vec<(String, String)>,
    demo_url: Option<String>,
    allow_missing: bool,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys().collect::<Vec<_>>())
            .field("flags", &self.flags)
            .field("demo_url", &self.demo_url)
            .field("allow_missing", &self.allow_missing)
            .finish()
    }
}

impl Environment {
    /// The process' own environment; variables that are not UTF-8 are left out.
    #[must_use]
    pub fn capture() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            variables,
            ..Self::default()
        }
    }

    /// An environment of these variables alone.
    #[must_use]
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self {
            variables: pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            ..Self::default()
        }
    }

    /// Sets a setting as a flag of the command line does, over environment and file: `server.listen`.
    #[must_use]
    pub fn with_flag(mut self, path: &str, value: &str) -> Self {
        self.flags.push((path.to_owned(), value.to_owned()));
        self
    }

    /// Says where the demo models run.
    #[must_use]
    pub fn with_demo_url(mut self, url: &str) -> Self {
        self.demo_url = Some(url.to_owned());
        self
    }

    /// Takes unset variables as empty places, not as errors: for a check on a machine without the secrets.
    #[must_use]
    pub fn allowing_missing(mut self) -> Self {
        self.allow_missing = true;
        self
    }

    /// A variable's value; `None` where it is unset or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A variable's value, the empty one too.
    pub(crate) fn get_even_empty(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    pub(crate) fn flags(&self) -> &[(String, String)] {
        &self.flags
    }

    /// What a flag or a variable says of a setting of the top level.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        let flag = self.flags.iter().rev().find(|(path, _)| path == name);
        flag.map(|(_, value)| value.as_str())
            .or_else(|| self.get(&format!("GOODGATE_{}", name.to_uppercase())))
    }

    pub(crate) fn demo_url(&self) -> Option<&str> {
        self.demo_url.as_deref()
    }

    pub(crate) fn allows_missing(&self) -> bool {
        self.allow_missing
    }

    /// The folder for state when no flag names one: `GOODGATE_STATE_DIR`, `$XDG_STATE_HOME/goodgate`,
    /// `~/.local/state/goodgate`, or `/var/lib/goodgate` where there is no home (or for root, as a service has it).
    #[must_use]
    pub fn state_folder(&self) -> PathBuf {
        if let Some(folder) = self.get("GOODGATE_STATE_DIR") {
            return PathBuf::from(folder);
        }
        if let Some(folder) = self.get("XDG_STATE_HOME") {
            return PathBuf::from(folder).join("goodgate");
        }
        match self.get("HOME") {
            Some(home) if home != "/" => PathBuf::from(home).join(".local/state/goodgate"),
            _ => PathBuf::from("/var/lib/goodgate"),
        }
    }

    /// The configuration files that are looked for when no flag names one, the first that exists wins.
    #[must_use]
    pub fn search_path(&self) -> Vec<PathBuf> {
        let mut paths = vec![PathBuf::from("goodgate.yaml")];
        let user = self
            .get("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(self.get("HOME")?).join(".config")));
        paths.extend(user.map(|folder| folder.join("goodgate/goodgate.yaml")));
        paths.push(PathBuf::from("/etc/goodgate/goodgate.yaml"));
        paths
    }
}
