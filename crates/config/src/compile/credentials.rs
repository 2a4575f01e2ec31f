//! Keys of providers: written, or in the environment, and never our own.

use std::collections::HashSet;
use std::sync::Arc;

use provider::Kind;
use types::{CredentialId, Secret};

use super::Context;
use crate::assemble::no_credential;
use crate::file::{At, Hidden, ProviderFile};
use crate::keys;
use crate::snapshot::Credential;

pub(super) fn credentials(
    context: &Context<'_, '_>,
    name: &At<String>,
    file: &ProviderFile,
    kind: &'static Kind,
) -> Option<Vec<Arc<Credential>>> {
    let reader = context.reader;
    match (&file.api_key, &file.credentials) {
        (Some(key), Some(_)) => {
            reader
                .error(
                    "credentials_twice",
                    &key.spot,
                    format!("provider `{}` has api_key and credentials", name.value),
                )
                .label("one of the two")
                .help("put this key into credentials, with a name");
            None
        }
        (Some(key), None) => {
            let secret = usable(context, key)?;
            Some(vec![credential("default", secret, &key.value.source)])
        }
        (None, Some(several)) => {
            let mut names = HashSet::new();
            let mut made = Vec::new();
            for (at, one) in several.iter().enumerate() {
                let Some(key) = &one.api_key else {
                    if !one.has_key {
                        reader
                            .error("missing_key", &one.spot, "this credential has no api_key")
                            .label("write  api_key: ${NAME}, in quotes");
                    }
                    continue;
                };
                let own = match &one.name {
                    Some(name) => name.value.clone(),
                    None => format!("key-{}", at + 1),
                };
                if !names.insert(own.clone()) {
                    reader
                        .error(
                            "credentials_twice",
                            &one.spot,
                            format!("a second credential is called `{own}`"),
                        )
                        .label("each needs a name of its own");
                }
                if let Some(secret) = usable(context, key) {
                    made.push(credential(&own, secret, &key.value.source));
                }
            }
            if several.is_empty() {
                reader
                    .error(
                        "missing_key",
                        &name.spot,
                        format!("provider `{}` has no key", name.value),
                    )
                    .label("its list of credentials is empty");
            }
            Some(made)
        }
        // A key that could not be read was told already.
        (None, None) if file.has_keys => None,
        (None, None) => usual_credential(context, name, file, kind),
    }
    .filter(|made| !made.is_empty())
}

/// The kind's own environment variable, where no key is written.
fn usual_credential(
    context: &Context<'_, '_>,
    name: &At<String>,
    file: &ProviderFile,
    kind: &'static Kind,
) -> Option<Vec<Arc<Credential>>> {
    let environment = context.reader.environment();
    let set = kind
        .key_variables
        .iter()
        .find_map(|variable| Some((*variable, environment.get(variable)?)));
    if let Some((variable, value)) = set {
        let key = At {
            value: Hidden {
                secret: Secret::new(value.trim().to_owned()),
                source: variable.to_owned(),
            },
            spot: name.spot.clone(),
        };
        let secret = usable(context, &key)?;
        return Some(vec![credential("default", secret, variable)]);
    }
    let has_header = |(header, _): &(At<http::HeaderName>, _)| {
        matches!(
            header.value.as_str(),
            "authorization" | "x-api-key" | "api-key" | "x-goog-api-key"
        )
    };
    let brings_own = file.headers.iter().flatten().any(has_header);
    if !kind.needs_key() || brings_own || environment.allows_missing() {
        return Some(vec![no_credential()]);
    }
    let variable = kind.key_variables.first().copied().unwrap_or("API_KEY");
    context
        .reader
        .error(
            "missing_credential",
            &name.spot,
            format!("provider `{}` has no key", name.value),
        )
        .label(format!("{variable} is not set"))
        .help(format!(
            "export {variable}=…, or write  api_key: \"${{NAME}}\""
        ));
    None
}

fn credential(name: &str, secret: Secret, source: &str) -> Arc<Credential> {
    Arc::new(Credential {
        id: CredentialId::new(name),
        secret: Some(secret),
        source: source.to_owned(),
    })
}

/// A key that can be sent to a provider.
fn usable(context: &Context<'_, '_>, key: &At<Hidden>) -> Option<Secret> {
    let reader = context.reader;
    let secret = &key.value.secret;
    if secret.reveal().is_empty() && reader.environment().allows_missing() {
        return Some(Secret::new("missing".to_owned()));
    }
    if secret.reveal().starts_with(keys::PREFIX) {
        reader
            .error("own_key", &key.spot, "this is a key of goodgate itself")
            .label("a provider's key belongs here")
            .help("`goodgate env` sets OPENAI_API_KEY to it: start the gateway from another shell");
        return None;
    }
    if !provider::auth::is_sendable(secret) {
        reader
            .error(
                "bad_header",
                &key.spot,
                "this key is empty or cannot be sent",
            )
            .label("visible ASCII characters, no spaces");
        return None;
    }
    Some(secret.clone())
}
