//! What each code means, and its page.

use axum::Json;
use axum::extract::{Path, State};
use diagnosis::Code;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::problem::Problem;

/// Every code that the gateway can give.
#[derive(Debug, Serialize, ToSchema)]
pub struct Codes {
    /// In the order of their table.
    pub codes: Vec<CodeFacts>,
}

/// What is fixed about a code.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CodeFacts {
    /// The code.
    pub code: String,
    /// Its group.
    pub group: String,
    /// Whose fault it is, unless the evidence tells better.
    pub origin: String,
    /// A few words: `connect timeout`.
    pub short: String,
    /// One sentence: what it means.
    pub meaning: String,
    /// What to do about it.
    pub fix: String,
    /// The HTTP status when nothing is left to try.
    pub http: u16,
    /// Whether the same target is tried again: `no`, `fresh`, `backoff`, `hint`.
    pub same: String,
    /// What else is tried: `no`, `key`, `deployment`, `provider`.
    pub other: String,
    /// Whether the upstream may have worked on it: `no`, `maybe`, `yes`.
    pub processed: String,
    /// Whether the request may be sent again: `always`, `llm`, `pre`, `never`.
    pub safe: String,
    /// Whether a later call may succeed without anybody changing anything.
    pub later_may_help: bool,
    /// The error type for `Proxy-Status` (RFC 9209).
    pub proxy_status: String,
}

impl CodeFacts {
    /// The facts of a code by its word.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        Code::parse(word).map(Self::of)
    }

    fn of(code: Code) -> Self {
        let facts = code.facts();
        Self {
            code: code.as_str().to_owned(),
            group: facts.group.as_str().to_owned(),
            origin: facts.origin.as_str().to_owned(),
            short: facts.short.to_owned(),
            meaning: facts.meaning.to_owned(),
            fix: facts.fix.to_owned(),
            http: facts.http,
            same: facts.same.as_str().to_owned(),
            other: facts.other.as_str().to_owned(),
            processed: facts.processed.as_str().to_owned(),
            safe: facts.safe.as_str().to_owned(),
            later_may_help: facts.later_may_help(),
            proxy_status: facts.proxy_status.to_owned(),
        }
    }
}

/// A code with its page.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodePage {
    /// The code, or another word that has a page (one of `goodgate check`).
    pub code: String,
    /// Its facts; null for words that no answer carries.
    pub facts: Option<CodeFacts>,
    /// Its page, Markdown.
    pub page: String,
}

/// Every code that the gateway can give.
#[utoipa::path(
    get,
    path = "/api/v1/codes",
    operation_id = "list_codes",
    tag = "codes",
    responses((status = 200, body = Codes), (status = "4XX", body = Problem))
)]
pub(crate) async fn list(State(_app): State<Shared>) -> Json<Codes> {
    Json(Codes {
        codes: Code::ALL.iter().copied().map(CodeFacts::of).collect(),
    })
}

/// One code and its page.
#[utoipa::path(
    get,
    path = "/api/v1/codes/{code}",
    operation_id = "get_code",
    tag = "codes",
    params(("code" = String, Path, description = "The code", example = "bad_gateway")),
    responses((status = 200, body = CodePage), (status = "4XX", body = Problem))
)]
pub(crate) async fn get(
    State(_app): State<Shared>,
    Path(code): Path<String>,
) -> Result<Json<CodePage>, Problem> {
    if let Some(known) = Code::parse(&code) {
        return Ok(Json(CodePage {
            code,
            facts: Some(CodeFacts::of(known)),
            page: known.page().to_owned(),
        }));
    }
    match config::words().iter().find(|(word, _)| *word == code) {
        Some((_, meaning)) => Ok(Json(CodePage {
            page: format!("# {code}\n\n{meaning}\n"),
            code,
            facts: None,
        })),
        None => Err(Problem::not_found(
            "code_not_found",
            "There is no such code.",
            "GET /api/v1/codes lists all of them.",
        )),
    }
}
