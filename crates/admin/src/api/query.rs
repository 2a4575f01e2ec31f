//! Reads query strings, with errors that name the parameter.

use axum::extract::Query;
use http::Uri;
use serde::de::DeserializeOwned;
use store::{Cursor, Outcome};

use crate::problem::Problem;

/// Reads the query; parameters that are not known are errors.
pub(crate) fn read<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    Query::try_from_uri(uri)
        .map(|Query(query)| query)
        .map_err(|rejection| {
            let mut text = rejection.body_text();
            if let Some((_, reason)) = text.split_once("query string: ") {
                text = reason.to_owned();
            }
            Problem::bad_request(
                "invalid_query",
                &format!("The query string cannot be read: {text}."),
                "See GET /api/openapi.json for the parameters of each path.",
            )
        })
}

/// Reads outcomes separated by commas.
pub(crate) fn outcomes(text: Option<&str>) -> Result<Vec<Outcome>, Problem> {
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| {
            Outcome::parse(word).ok_or_else(|| {
                Problem::bad_query(
                    "outcome",
                    "is made of ok, recovered, cached, failed, refused and cancelled",
                )
            })
        })
        .collect()
}

/// Reads a page's `next`.
pub(crate) fn cursor(text: Option<&str>) -> Result<Option<Cursor>, Problem> {
    match text.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => Cursor::parse(text).map(Some).ok_or_else(|| {
            Problem::bad_query(
                "cursor",
                "is the `next` of the page before, as it was given",
            )
        }),
    }
}
