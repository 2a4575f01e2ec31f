//! What the providers have: all are asked side by side, for at most two seconds, while the gateway already serves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use config::{Candidate, Provider};
use diagnosis::{Evidence, Fault, Phase};
use http::Method;
use provider::{Endpoint, Kind, Operation};
use tokio::task::JoinSet;
use types::{Clock, Deadline, ProviderId, Secret};
use upstream::{Client, Destination, Outgoing, Timers};

/// All probes together take at most this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// A list of models is read up to this.
const MAX_LIST: u64 = 8 << 20;

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
    let started = clock.now();
    let deadline = Deadline::after(started, PATIENCE);
    let Ok(destination) = destination(endpoint, provider) else {
        let evidence = Evidence {
            fault: Some(Fault::Internal {
                detail: "TLS settings".to_owned(),
            }),
            ..Evidence::default()
        };
        return failed(&evidence);
    };
    let path = provider::request::path(kind, endpoint, "", Operation::Models);
    let mut block = format!(
        "host: {}\r\nuser-agent: goodgate\r\naccept-encoding: identity\r\n",
        endpoint.authority()
    )
    .into_bytes();
    for (name, value) in provider::request::headers(kind, secret) {
        block.extend_from_slice(name.as_str().as_bytes());
        block.extend_from_slice(b": ");
        block.extend_from_slice(value.as_bytes());
        block.extend_from_slice(b"\r\n");
    }
    let outgoing = Outgoing {
        fixed_headers: &block,
        decode: true,
        ..Outgoing::new(&Method::GET, &path)
    };
    let mut answer = match client
        .send(&destination, outgoing, &Timers::until(deadline))
        .await
    {
        Ok(answer) => answer,
        Err(evidence) => return failed(&evidence),
    };
    let body = answer.body.read_all(MAX_LIST, PATIENCE, deadline).await;
    let mut evidence = answer.evidence;
    let body = match body {
        Ok(body) => body,
        Err(fault) => {
            fault.complete(&mut evidence);
            return failed(&evidence);
        }
    };
    let names = provider::list_models(kind, &body).filter(|_| answer.status.is_success());
    match names {
        Some(models) => Shown::Models {
            models,
            took: clock.now().saturating_duration_since(started),
        },
        None => {
            evidence.phase = Phase::Headers;
            evidence.signal = provider::signal(
                kind,
                kind.dialect,
                answer.status.as_u16(),
                &answer.headers,
                &body,
            );
            if answer.status.is_success() {
                let what = "no list of models".to_owned();
                evidence.fault = Some(Fault::Content(diagnosis::ContentFault::WrongShape { what }));
            }
            failed(&evidence)
        }
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

fn destination(
    endpoint: &Endpoint,
    provider: Option<&Provider>,
) -> Result<Destination, upstream::TlsPolicyError> {
    match provider {
        Some(provider) => gateway::policy::destination(endpoint, &provider.tls),
        None => gateway::policy::destination(endpoint, &config::TlsSettings::default()),
    }
}
