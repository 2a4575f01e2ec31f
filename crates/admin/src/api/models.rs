//! Models by every name that is configured, and plain routes.

use axum::Json;
use axum::extract::State;
use config::{Access, Hold, ModelPolicy, Resilience, Route, Target};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::problem::Problem;

/// What callers may ask for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Models {
    /// Aliases, by name.
    pub aliases: Vec<Alias>,
    /// Models that providers' entries list, as `provider/model`.
    pub direct: Vec<String>,
    /// Plain HTTP routes, the longest prefix first.
    pub routes: Vec<RouteView>,
}

/// An alias and what stands behind it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alias {
    /// Its name.
    pub name: String,
    /// Its targets, in the order in which they are tried.
    pub targets: Vec<TargetView>,
    /// How hard is tried.
    pub retry: Retry,
    /// The line of the file that declares it.
    pub line: Option<u64>,
}

/// A target.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetView {
    /// `provider/model`.
    pub label: String,
    /// The provider.
    pub provider: String,
    /// The model there.
    pub model: String,
    /// Whether a price is known.
    pub priced: bool,
    /// The longest answer it gives, in tokens.
    pub max_output: Option<u64>,
}

/// How hard is tried.
#[derive(Debug, Serialize, ToSchema)]
pub struct Retry {
    /// Attempts of a call, the first counted.
    pub max_attempts: u32,
    /// Different targets of a call.
    pub max_targets: u32,
    /// All attempts together may take so long; null: 600 s for streams, 300 s for others.
    pub total_ms: Option<u64>,
    /// What is held back until it is known to be good: `first_content` or `whole`.
    pub hold: String,
}

/// A plain HTTP route.
#[derive(Debug, Serialize, ToSchema)]
pub struct RouteView {
    /// Its name.
    pub name: String,
    /// The paths it takes: `/weather/**` for all below, `/hook` for one.
    pub path: String,
    /// The hosts it takes requests for; empty for all.
    pub hosts: Vec<String>,
    /// The methods it takes; empty for all.
    pub takes: Vec<String>,
    /// `key` or `open`.
    pub access: String,
    /// Its upstreams, in the order in which they are tried.
    pub upstreams: Vec<String>,
    /// Methods that may be sent again.
    pub retried_methods: Vec<String>,
    /// How hard is tried.
    pub retry: Retry,
    /// The line of the file that declares it.
    pub line: Option<u64>,
}

/// Everything that callers may ask for by name.
#[utoipa::path(
    get,
    path = "/api/v1/models",
    operation_id = "list_models",
    tag = "configuration",
    responses((status = 200, body = Models), (status = "4XX", body = Problem))
)]
pub(crate) async fn list(State(app): State<Shared>) -> Json<Models> {
    let snapshot = (app.parts().snapshot)();
    let mut aliases: Vec<Alias> = snapshot
        .models
        .values()
        .map(|policy| Alias::from(&**policy))
        .collect();
    aliases.sort_by(|one, other| one.name.cmp(&other.name));
    let direct = snapshot
        .providers_in_order()
        .flat_map(|provider| {
            provider
                .models
                .iter()
                .map(|model| format!("{}/{}", provider.id, model.name))
        })
        .collect();
    Json(Models {
        aliases,
        direct,
        routes: snapshot
            .routes
            .iter()
            .map(|route| RouteView::from(&**route))
            .collect(),
    })
}

impl From<&ModelPolicy> for Alias {
    fn from(policy: &ModelPolicy) -> Self {
        Self {
            name: policy.alias.to_string(),
            targets: policy
                .targets
                .iter()
                .map(|target| TargetView::from(&**target))
                .collect(),
            retry: Retry::from(&*policy.resilience),
            line: line(policy.line),
        }
    }
}

impl From<&Target> for TargetView {
    fn from(target: &Target) -> Self {
        Self {
            label: target.label.to_string(),
            provider: target.provider.id.as_str().to_owned(),
            model: target.model.as_str().to_owned(),
            priced: target.price.is_some(),
            max_output: target.max_output,
        }
    }
}

impl From<&Route> for RouteView {
    fn from(route: &Route) -> Self {
        Self {
            name: route.name.to_string(),
            path: route.path.to_string(),
            hosts: route.hosts.iter().map(ToString::to_string).collect(),
            takes: route
                .takes
                .iter()
                .map(|method| method.as_str().to_owned())
                .collect(),
            access: match route.access {
                Access::Key => "key",
                Access::Open { .. } => "open",
            }
            .to_owned(),
            upstreams: route
                .upstreams
                .iter()
                .map(|upstream| upstream.label.to_string())
                .collect(),
            retried_methods: route
                .methods
                .iter()
                .map(|method| method.as_str().to_owned())
                .collect(),
            retry: Retry::from(&*route.resilience),
            line: line(route.line),
        }
    }
}

impl From<&Resilience> for Retry {
    fn from(resilience: &Resilience) -> Self {
        Self {
            max_attempts: resilience.max_attempts,
            max_targets: resilience.max_targets,
            total_ms: resilience
                .timeout
                .total
                .map(|total| u64::try_from(total.as_millis()).unwrap_or(u64::MAX)),
            hold: match resilience.hold {
                Hold::FirstContent => "first_content",
                Hold::Whole => "whole",
            }
            .to_owned(),
        }
    }
}

pub(super) fn line(line: Option<usize>) -> Option<u64> {
    line.and_then(|line| u64::try_from(line).ok())
}
