//! What the lanes do not share: the list of models, which needs no upstream, and of plain calls the headers, the order
//! of their upstreams and those upstreams' health.

pub mod health;
mod hop;
pub mod idempotency;
mod upstreams;

pub(crate) use hop::without_hop;
pub(crate) use upstreams::order;

use std::sync::Arc;

use bytes::Bytes;
use diagnosis::Code;

use crate::gate::Shared;
use crate::intake::{Call, Head, HeadLane};
use crate::keyring::Caller;
use crate::policy::Policy;
use crate::refusal::{self, Refusal};

/// Answers `GET /v1/models` and `GET /v1/models/{name}` in OpenAI's form; none for every other call.
///
/// # Errors
/// No model of that name.
pub fn listing(policy: &Policy, caller: &Caller, head: &Head) -> Result<Option<Bytes>, Refusal> {
    let HeadLane::Models(wanted) = &head.lane else {
        return Ok(None);
    };
    let json = match wanted {
        None => {
            let names = policy.snapshot.model_names();
            let models: Vec<_> = names
                .iter()
                .filter(|(name, _)| caller.may_use(name))
                .map(|(name, model)| entry(name, model))
                .collect();
            serde_json::json!({"object": "list", "data": models})
        }
        Some(name) => {
            if !caller.may_use(name) {
                return Err(Refusal::new(
                    Code::ModelNotAllowed,
                    format!("The key '{}' may not use '{name}'.", caller.key),
                ));
            }
            let model = policy.snapshot.resolve(name).map_err(|unresolved| {
                refusal::unknown_model(name, &unresolved.near, &unresolved.candidates)
            })?;
            entry(name, &model)
        }
    };
    Ok(Some(Bytes::from(json.to_string())))
}

/// What a plain call was answered before, under the idempotency key that it brings.
///
/// # Errors
/// The key is in use at this moment, was used for another request, or is none.
pub fn answered_before(
    shared: &Shared,
    caller: &Caller,
    call: &mut Call,
) -> Result<Option<Arc<idempotency::Remembered>>, Refusal> {
    match call {
        Call::Http(call) => shared.idempotency.enter(&shared.clock, caller, call),
        Call::Model(_) => Ok(None),
    }
}

/// One model. An alias is owned by the gateway, any other by its provider; a demo model says what it is.
fn entry(name: &str, model: &config::ModelPolicy) -> serde_json::Value {
    let provider = match model.targets.as_slice() {
        [only] if *only.label == *name => only.provider.id.as_str(),
        _ => "goodgate",
    };
    let demo = model
        .targets
        .iter()
        .all(|target| target.provider.kind.place == provider::Place::Inside);
    let owner = if demo { "goodgate-demo" } else { provider };
    // The date is that of the gateway's first release: providers' own dates are not known here.
    serde_json::json!({"id": name, "object": "model", "created": 1_790_000_000, "owned_by": owner})
}
