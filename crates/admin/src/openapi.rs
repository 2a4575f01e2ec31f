//! The API's description. `openapi.json` beside `Cargo.toml` is its golden copy, from which the UI's client is made.

use utoipa::OpenApi;

use crate::api;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "goodgate admin API",
        description = "What the web UI and the CLI use. Sign in with the printed link (a cookie) or with the token in \
                       the state folder's file `admin-token` (Authorization: Bearer). A virtual key never opens it. \
                       Times are milliseconds since 1970, money is in billionths of a US dollar."
    ),
    paths(
        api::requests::list,
        api::requests::get,
        api::live::follow,
        api::in_flight::list,
        api::counts::get,
        api::counts::summary,
        api::models::list,
        api::providers::list,
        api::codes::list,
        api::codes::get,
        api::status::get,
        api::snippets::get,
        api::session::get,
        api::session::delete,
        api::session::create_link,
    ),
    components(schemas(api::live::Lagged, api::wire::NotKept))
)]
struct Description;

/// The description as pretty JSON, as it is served and as the golden copy holds it.
#[must_use]
pub fn openapi_json() -> String {
    let mut text = Description::openapi()
        .to_pretty_json()
        .unwrap_or_else(|_| "{}".to_owned());
    text.push('\n');
    text
}
