//! What the providers have: all are asked side by side, for at most two seconds, while the gateway already serves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cli::asking;
use config::{Candidate, Provider};
use diagnosis::{Evidence, Fault};
use provider::{Endpoint, Kind};
use tokio::task::JoinSet;
use types::{Clock, Deadline, ProviderId, Secret};
use upstream::{Client, Timers};

/// All probes together take at most this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// What one probe showed.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    /// It answered with its models.
    Models { models: Vec<String>, took: Duration },
    /// It did not.
    Failed {
        code: diagnosis::Code,
        line: String,
        status: Option<u16>,
    },
}

/// Asks each provider for its models.
pub(crate) async fn providers(
    client: &Client,
    clock: &Arc<dyn Clock>,
    providers: &[Arc<Provider>],
) -> HashMap<ProviderId, Shown> {
    let mut asked = JoinSet::new();
    for provider in providers {
        let (client, clock, provider) = (client.clone(), Arc::clone(clock), Arc::clone(provider));
        asked.spawn(async move {
            let secret = provider
                .credentials
                .first()
                .and_then(|credential| credential.secret.clone());
            let shown = ask(
                &client,
                &clock,
                provider.kind,
                &provider.endpoint,
                secret.as_ref(),
                Some(&provider),
            )
            .await;
            (provider.id.clone(), shown)
        });
    }
    let mut shown = HashMap::new();
    while let Some(joined) = asked.join_next().await {
        shown.extend(joined);
    }
    shown
}

/// The candidates that answer.
pub(crate) async fn candidates(
    client: &Client,
    clock: &Arc<dyn Clock>,
    candidates: &[Candidate],
) -> Vec<Candidate> {
    let mut asked = JoinSet::new();
    for candidate in candidates {
        let (client, clock, candidate) = (client.clone(), Arc::clone(clock), candidate.clone());
        asked.spawn(async move {
            let shown = ask(
                &client,
                &clock,
                candidate.kind,
                &candidate.endpoint,
                None,
                None,
            )
            .await;
            matches!(shown, Shown::Models { .. }).then_some(candidate)
        });
    }
    let mut answered = Vec::new();
    while let Some(joined) = asked.join_next().await {
        answered.extend(joined.ok().flatten());
    }
    answered
}

async fn ask(
    client: &Client,
    clock: &Arc<dyn Clock>,
    kind: &'static Kind,
    endpoint: &Endpoint,
    secret: Option<&Secret>,
    provider: Option<&Provider>,
) -> Shown {
    let tls = provider.map(|provider| provider.tls.clone());
    let Ok(destination) = asking::destination(endpoint, &tls.unwrap_or_default()) else {
        let evidence = Evidence {
            fault: Some(Fault::Internal {
                detail: "TLS settings".to_owned(),
            }),
            ..Evidence::default()
        };
        return failed(&evidence);
    };
    let timers = Timers::until(Deadline::after(clock.now(), PATIENCE));
    let place = asking::Place {
        endpoint,
        destination: &destination,
        headers: provider
            .map(|provider| provider.headers.as_slice())
            .unwrap_or_default(),
        timers: &timers,
    };
    let heard = asking::models(client, &**clock, place, kind, secret).await;
    match (heard.failure, heard.models) {
        (Some(evidence), _) => failed(&evidence),
        (None, models) => Shown::Models {
            models: models.unwrap_or_default(),
            took: heard.took,
        },
    }
}

fn failed(evidence: &Evidence) -> Shown {
    let verdict = diagnosis::judge(evidence);
    Shown::Failed {
        code: verdict.code,
        line: verdict.full_line,
        status: evidence.status(),
    }
}
