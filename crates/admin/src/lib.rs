//! The admin API and the embedded web UI, for whoever listens to serve: [`answer`] takes a request under `/ui` or
//! `/api`, or for the metrics, and gives the response. It opens no socket, and nothing of it lies on a call's path.
//!
//! Order of a request: `browser` (is it from a page of ours or from no page?), `assets` or `session` (who asks?),
//! `api` (what is asked?).

pub mod api;
mod app;
mod assets;
mod browser;
mod history;
mod metrics;
mod openapi;
mod problem;
mod session;

pub use api::guards::Guard;
pub use api::in_flight::RunningCall;
pub use app::{App, Body, Parts, Scrape, Scrapes, answer};
pub use openapi::openapi_json;
pub use problem::Problem;
pub use session::load_token;
