//! The API's description. `openapi.json` beside `Cargo.toml` is its golden copy, from which the UI's client is made.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{Modify, OpenApi};

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
        api::incidents::list,
        api::incidents::get,
        api::counts::get,
        api::counts::summary,
        api::models::list,
        api::providers::list,
        api::drains::drain,
        api::drains::resume,
        api::codes::list,
        api::codes::get,
        api::status::get,
        api::snippets::get,
        api::session::get,
        api::session::delete,
        api::session::create_link,
    ),
    components(schemas(api::counts::Demos, api::live::Lagged, api::wire::NotKept)),
    modifiers(&Everything, &Doors),
    security(("cookie" = []), ("token" = []))
)]
struct Description;

/// Says that every field is always there: null is written, never left out.
struct Everything;

impl Modify for Everything {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let Some(components) = &mut openapi.components else {
            return;
        };
        for schema in components.schemas.values_mut() {
            if let RefOr::T(Schema::Object(object)) = schema {
                object.required = object.properties.keys().cloned().collect();
            }
        }
    }
}

/// Says how one signs in.
struct Doors;

impl Modify for Doors {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme(
            "cookie",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                "goodgate_4000",
                "Set by the printed link; its name ends with the port of the web UI.",
            ))),
        );
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The text of the state folder's file admin-token."))
            .build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// The description as pretty JSON, as it is served and as the golden copy holds it.
#[must_use]
pub fn openapi_json() -> String {
    let mut text = Description::openapi()
        .to_pretty_json()
        .unwrap_or_else(|_| "{}".to_owned());
    text.push('\n');
    text
}
