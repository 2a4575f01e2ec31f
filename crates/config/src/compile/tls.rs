//! TLS settings: files that must be there, halves that go together.

use std::path::{Path, PathBuf};

use provider::Scheme;

use super::Context;
use crate::file::{At, TlsFile};
use crate::snapshot::TlsSettings;

pub(super) fn tls(
    context: &Context<'_, '_>,
    written: Option<&TlsFile>,
    endpoint: Option<&provider::Endpoint>,
) -> TlsSettings {
    let Some(written) = written else {
        return TlsSettings::default();
    };
    if endpoint.is_some_and(|endpoint| endpoint.scheme == Scheme::Http) {
        context
            .reader
            .warning("tls_unused", &written.spot, "these settings do nothing")
            .label("the URL says http://");
    }
    let missing_half = match (&written.client_cert, &written.client_key) {
        (Some(_), None) => Some("client_key"),
        (None, Some(_)) => Some("client_cert"),
        _ => None,
    };
    if let Some(missing) = missing_half {
        context
            .reader
            .error(
                "missing_key",
                &written.spot,
                format!("{missing} is missing"),
            )
            .label("client_cert and client_key go together");
    }
    settings(context, written)
}

fn settings(context: &Context<'_, '_>, written: &TlsFile) -> TlsSettings {
    let path = |at: &Option<At<PathBuf>>| at.as_ref().map(|at| existing(context, at));
    TlsSettings {
        ca_file: path(&written.ca_file),
        server_name: written.server_name.as_ref().map(|name| name.value.clone()),
        client_cert: path(&written.client_cert),
        client_key: path(&written.client_key),
        min_version: written
            .min_version
            .as_ref()
            .map(|version| version.value)
            .unwrap_or_default(),
    }
}

/// A file that must be there; a relative path starts at the configuration's folder.
fn existing(context: &Context<'_, '_>, at: &At<PathBuf>) -> PathBuf {
    let path = context
        .folder
        .unwrap_or_else(|| Path::new(""))
        .join(&at.value);
    if !path.is_file() && !context.reader.environment().allows_missing() {
        context
            .reader
            .error(
                "file_not_found",
                &at.spot,
                format!("{} is not there", at.value.display()),
            )
            .label("no such file");
    }
    path
}
