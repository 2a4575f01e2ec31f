//! From a file's text to a snapshot, or to everything that is wrong with it.

use std::path::{Path, PathBuf};

use crate::assemble::Parts;
use crate::compile;
use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::environment::Environment;
use crate::overrides;
use crate::reader::Reader;
use crate::sections;
use crate::snapshot::{Origin, Snapshot};
use crate::yaml;

/// A configuration that runs.
#[derive(Debug)]
pub struct Loaded {
    /// The policy.
    pub snapshot: Snapshot,
    /// What is probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// A configuration file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be read", path.display())]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: std::io::Error,
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, Unreadable> {
        std::fs::read_to_string(path)
            .map(|text| Self {
                text,
                path: path.to_owned(),
            })
            .map_err(|source| Unreadable {
                path: path.to_owned(),
                source,
            })
    }

    /// The file that is to be used: `explicit`, then `$GOODGATE_CONFIG`, then the first of
    /// [`Environment::search_path`] that exists; `None` without any.
    ///
    /// # Errors
    /// When the file that was asked for, or found, cannot be read.
    pub fn find(
        explicit: Option<&Path>,
        environment: &Environment,
    ) -> Result<Option<Self>, Unreadable> {
        let asked = explicit
            .map(Path::to_owned)
            .or_else(|| environment.get("GOODGATE_CONFIG").map(PathBuf::from));
        if let Some(path) = asked {
            return Self::read(&path).map(Some);
        }
        let found = environment
            .search_path()
            .into_iter()
            .find(|path| path.exists());
        found.map(|path| Self::read(&path)).transpose()
    }
}

/// Reads a configuration: the file, then what environment and flags override.
///
/// # Errors
/// Everything that is wrong with it, errors and warnings, in the order of the text.
pub fn load(source: &Source, environment: &Environment) -> Result<Loaded, Vec<Diagnostic>> {
    let origin = Origin::File(source.path.clone());
    let (parts, diagnostics) = read(&source.text, &source.path, origin, environment);
    match parts {
        Some(parts) => Ok(Loaded {
            snapshot: parts.assemble(),
            warnings: diagnostics,
        }),
        None => Err(diagnostics),
    }
}

/// The parts of a snapshot, if nothing forbids it, and everything found.
pub(crate) fn read(
    text: &str,
    path: &Path,
    origin: Origin,
    environment: &Environment,
) -> (Option<Parts>, Vec<Diagnostic>) {
    let reader = Reader::new(text, path, environment);
    let (mut root, problems) = yaml::read(text);
    let is_broken = problems
        .iter()
        .any(|problem| matches!(problem.code, "bad_yaml" | "file_too_large"));
    problems.into_iter().for_each(|one| reader.problem(one));
    // After a syntax error the tree is not what was written: nothing else can be told of it.
    if is_broken {
        return (None, reader.finish());
    }
    overrides::apply(&mut root, environment);
    let file = sections::file(&reader, &root);
    let parts = compile::parts(&reader, &file, origin, environment.demo_url());
    let parts = (!reader.has_failed()).then_some(parts);
    let diagnostics = reader.finish();
    debug_assert_eq!(
        parts.is_none(),
        diagnostics
            .iter()
            .any(|one| one.severity == Severity::Error)
    );
    (parts, diagnostics)
}
