//! The scripted `demo/*` models: an ordinary provider whose base URL is a drill on a loopback port.
//!
//! Its address is known only when the gateway has started that drill.

use std::time::Duration;

use dialect::Dialect;

use crate::auth::Auth;
use crate::kind::{Billing, Kind, Place};
use crate::phrases;

/// The record.
pub(crate) static KIND: Kind = Kind {
    name: "demo",
    title: "Demo",
    dialect: Dialect::OpenaiChat,
    base_url: None,
    version_segment: "/v1",
    auth: Auth::None,
    key_variables: &[],
    base_url_variables: &[],
    explain: phrases::openai_shaped,
    models: include_str!("models.toml"),
    deviations: &[],
    idle_limit: Duration::from_secs(60),
    request_id_header: "x-request-id",
    billing: Billing::None,
    place: Place::Inside,
};
