//! Configured providers and the credentials they are called with; never a credential itself.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use config::{Provider, Snapshot, Window};
use provider::Scheme;
use serde::Serialize;
use store::{DrainRow, Filter};
use types::Secret;
use utoipa::ToSchema;

use super::drains::Drain;
use super::guards::{self, Guard, OfProvider};
use super::models::line;
use super::seen::{self, Seen};
use crate::app::Shared;
use crate::history::first_minute;
use crate::problem::Problem;

/// The configured providers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Providers {
    /// In the order in which they were written.
    pub providers: Vec<ProviderView>,
    /// The upstreams of plain routes, in the order in which they were written.
    pub upstreams: Vec<UpstreamView>,
    /// What the last hour showed of each target, by its name: `provider/model`, or an upstream's URL.
    pub seen: BTreeMap<String, Seen>,
}

/// An upstream of plain routes.
#[derive(Debug, Serialize, ToSchema)]
pub struct UpstreamView {
    /// Its URL.
    pub url: String,
    /// The routes that lead there.
    pub routes: Vec<String>,
    /// What its health check shows; null where there is none.
    pub is_well: Option<bool>,
    /// Whether it is drained by hand.
    pub drained: Option<Drain>,
    /// Where its breaker and limit stand; null before its first call.
    pub guard: Option<Guard>,
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
    /// The aliases that have a target here.
    pub aliases: Vec<String>,
    /// Whether it was taken from the environment or found on this machine.
    pub detected: bool,
    /// Whether it is the scripted one inside goodgate.
    pub demo: bool,
    /// The line of the file that declares it.
    pub line: Option<u64>,
    /// What of it is drained by hand: the whole of it, under its own name, or models of it.
    pub drained: Vec<Drain>,
    /// Its planned windows: the present or the next occurrence of each, the soonest first.
    pub maintenance: Vec<MaintenanceView>,
    /// Where its own breaker stands; null before its first call.
    pub guard: Option<Guard>,
    /// Where breakers and limits of its targets stand; those that had a call.
    pub targets: Vec<Guard>,
}

/// A planned window.
#[derive(Debug, Serialize, ToSchema)]
pub struct MaintenanceView {
    /// Its beginning: milliseconds since 1970.
    pub start_ms: u64,
    /// Its end.
    pub end_ms: u64,
    /// Whether it is now.
    pub is_now: bool,
    /// Whether it comes again: every day or week.
    pub recurs: bool,
    /// Why.
    pub reason: Option<String>,
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
    /// Where its breaker stands; null before its first call.
    pub guard: Option<Guard>,
}

/// The configured providers.
#[utoipa::path(
    get,
    path = "/api/v1/providers",
    operation_id = "list_providers",
    tag = "configuration",
    responses((status = 200, body = Providers), (status = "4XX", body = Problem))
)]
pub(crate) async fn list(State(app): State<Shared>) -> Result<Json<Providers>, Problem> {
    let now = app.parts().clock.unix_millis();
    let last_hour = Filter {
        since: Some(first_minute(now)),
        ..Filter::default()
    };
    let (marks, latest) = app
        .blocking(move |store| {
            let latest = store.recent(&last_hour, None, seen::SAMPLE)?;
            Ok((store.drains()?, latest.rows))
        })
        .await?;
    let snapshot = (app.parts().snapshot)();
    let mut guards = app.guards();
    let providers = snapshot
        .providers_in_order()
        .map(|provider| {
            let own = guards::take(&mut guards, provider.id.as_str());
            let aliases = aliases(&snapshot, provider);
            ProviderView::new(provider, aliases, &marks, own, now)
        })
        .collect();
    Ok(Json(Providers {
        providers,
        upstreams: upstreams(&snapshot, &marks, guards, &(app.parts().well)()),
        seen: seen::by_target(&latest, app.history().read()),
    }))
}

/// The upstreams of routes, each once.
fn upstreams(
    snapshot: &Snapshot,
    marks: &[DrainRow],
    mut guards: Vec<Guard>,
    well: &[(String, bool)],
) -> Vec<UpstreamView> {
    let mut views: Vec<UpstreamView> = Vec::new();
    for route in &snapshot.routes {
        for upstream in &route.upstreams {
            let (url, name) = (&*upstream.label, route.name.to_string());
            if let Some(known) = views.iter_mut().find(|view| view.url == url) {
                known.routes.push(name);
                continue;
            }
            let is_its = |guard: &Guard| guard.level == "target" && guard.name == url;
            let place = guards.iter().position(is_its);
            let mark = marks.iter().find(|mark| mark.name == url);
            views.push(UpstreamView {
                url: url.to_owned(),
                routes: vec![name],
                is_well: well.iter().find(|(of, _)| of == url).map(|(_, is)| *is),
                drained: mark.cloned().map(Drain::from),
                guard: place.map(|place| guards.swap_remove(place)),
            });
        }
    }
    views
}

/// The aliases that have a target at the provider, by name.
fn aliases(snapshot: &Snapshot, provider: &Provider) -> Vec<String> {
    let leads_there = |policy: &config::ModelPolicy| {
        let mut targets = policy.targets.iter();
        targets.any(|target| target.provider.id == provider.id)
    };
    let policies = snapshot
        .models
        .values()
        .filter(|policy| leads_there(policy));
    let mut names: Vec<String> = policies.map(|policy| policy.alias.to_string()).collect();
    names.sort_unstable();
    names
}

fn drained(provider: &Provider, marks: &[DrainRow]) -> Vec<Drain> {
    let id = provider.id.as_str();
    let is_its_own = |mark: &&DrainRow| {
        let rest = mark.name.strip_prefix(id);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let own = marks.iter().filter(is_its_own);
    own.cloned().map(Drain::from).collect()
}

fn maintenance(provider: &Provider, now: u64) -> Vec<MaintenanceView> {
    let planned = provider.maintenance.iter();
    let mut views: Vec<_> = planned
        .filter_map(|planned| {
            let (start_ms, end_ms) = planned.window.next(now)?;
            Some(MaintenanceView {
                start_ms,
                end_ms,
                is_now: start_ms <= now,
                recurs: matches!(planned.window, Window::Every { .. }),
                reason: planned.reason.clone(),
            })
        })
        .collect();
    views.sort_by_key(|view| view.start_ms);
    views
}

impl ProviderView {
    fn new(
        provider: &Provider,
        aliases: Vec<String>,
        marks: &[DrainRow],
        guards: OfProvider,
        now: u64,
    ) -> Self {
        let OfProvider {
            own,
            mut credentials,
            targets,
        } = guards;
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
                    guard: credentials.remove(credential.id.as_str()),
                })
                .collect(),
            models: provider
                .models
                .iter()
                .map(|model| model.name.as_str().to_owned())
                .collect(),
            aliases,
            detected: provider.detected,
            demo: provider.kind.place == provider::Place::Inside,
            line: line(provider.line),
            drained: drained(provider, marks),
            maintenance: maintenance(provider, now),
            guard: own,
            targets,
        }
    }
}
