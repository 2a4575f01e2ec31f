//! Configured providers and the credentials they are called with; never a credential itself.

use axum::Json;
use axum::extract::State;
use config::Provider;
use provider::Scheme;
use serde::Serialize;
use types::Secret;
use utoipa::ToSchema;

use super::models::line;
use crate::app::Shared;
use crate::problem::Problem;

/// The configured providers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Providers {
    /// In the order in which they were written.
    pub providers: Vec<ProviderView>,
}

/// A configured provider.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderView {
    /// Its name: the first segment of `provider/model`.
    pub id: String,
    /// What it is, as `type` in the configuration says.
    pub kind: String,
    /// The name people know it by.
    pub title: String,
    /// The dialect in which it is called.
    pub dialect: String,
    /// Where it is.
    pub base_url: String,
    /// What it is called with.
    pub credentials: Vec<CredentialView>,
    /// Models that its entry lists; empty: any.
    pub models: Vec<String>,
    /// Whether it was taken from the environment or found on this machine.
    pub detected: bool,
    /// Whether it is the scripted one inside goodgate.
    pub demo: bool,
    /// The line of the file that declares it.
    pub line: Option<u64>,
}

/// A credential, by what may be shown of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CredentialView {
    /// Its name.
    pub id: String,
    /// Its last characters; null where none is needed.
    pub hint: Option<String>,
    /// Where it is from: an environment variable's name, a file, or the configuration.
    pub source: String,
}

/// The configured providers.
#[utoipa::path(
    get,
    path = "/api/v1/providers",
    operation_id = "list_providers",
    tag = "configuration",
    responses((status = 200, body = Providers), (status = "4XX", body = Problem))
)]
pub(crate) async fn list(State(app): State<Shared>) -> Json<Providers> {
    let snapshot = (app.parts().snapshot)();
    Json(Providers {
        providers: snapshot
            .providers_in_order()
            .map(|provider| ProviderView::from(&**provider))
            .collect(),
    })
}

impl From<&Provider> for ProviderView {
    fn from(provider: &Provider) -> Self {
        let endpoint = &provider.endpoint;
        let scheme = match endpoint.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        Self {
            id: provider.id.as_str().to_owned(),
            kind: provider.kind.name.to_owned(),
            title: provider.kind.title.to_owned(),
            dialect: provider.kind.dialect.as_str().to_owned(),
            base_url: format!("{scheme}://{}{}", endpoint.authority(), endpoint.base_path),
            credentials: provider
                .credentials
                .iter()
                .map(|credential| CredentialView {
                    id: credential.id.as_str().to_owned(),
                    hint: credential.secret.as_ref().map(Secret::hint),
                    source: credential.source.clone(),
                })
                .collect(),
            models: provider
                .models
                .iter()
                .map(|model| model.name.as_str().to_owned())
                .collect(),
            detected: provider.detected,
            demo: provider.kind.place == provider::Place::Inside,
            line: line(provider.line),
        }
    }
}
