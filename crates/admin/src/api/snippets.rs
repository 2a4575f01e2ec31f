//! What to paste for a first call.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::problem::Problem;

/// A first call, ready to paste.
#[derive(Debug, Serialize, ToSchema)]
pub struct Snippets {
    /// `OPENAI_BASE_URL`: with its version segment.
    pub openai_base_url: String,
    /// Where clients of other dialects reach it.
    pub base_url: String,
    /// What may be shown of the first key; null where there is none.
    pub key_hint: Option<String>,
    /// A model that answers.
    pub model: Option<String>,
    /// The snippets, the simplest first.
    pub snippets: Vec<Snippet>,
}

/// One snippet.
#[derive(Debug, Serialize, ToSchema)]
pub struct Snippet {
    /// A word for it: `shell`, `python`, `curl`, `node`.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The language, for colours.
    pub language: String,
    /// The text. The key is read from the environment, which the first line of each shell snippet sets.
    pub code: String,
}

/// What to paste for a first call.
#[utoipa::path(
    get,
    path = "/api/v1/snippets",
    operation_id = "get_snippets",
    tag = "status",
    responses((status = 200, body = Snippets), (status = "4XX", body = Problem), (status = "5XX", body = Problem))
)]
pub(crate) async fn get(State(app): State<Shared>) -> Result<Json<Snippets>, Problem> {
    let now = app.parts().clock.unix_millis();
    let keys = app.blocking(|store| store.keys()).await?;
    let key_hint = keys
        .into_iter()
        .find(|key| {
            key.revoked_millis.is_none() && key.expires_millis.is_none_or(|expires| expires > now)
        })
        .map(|key| key.hint);
    let model = first_model(&(app.parts().snapshot)());
    let base_url = app.parts().base_url.clone();
    let command = &app.parts().env_command;
    let shown = model.clone().unwrap_or_else(|| "provider/model".to_owned());
    Ok(Json(Snippets {
        openai_base_url: format!("{base_url}/v1"),
        snippets: snippets(&base_url, command, &shown),
        base_url,
        key_hint,
        model,
    }))
}

fn first_model(snapshot: &config::Snapshot) -> Option<String> {
    if snapshot.models.contains_key("first") {
        return Some("first".to_owned());
    }
    let aliases = snapshot.models.values();
    let first = aliases.min_by_key(|policy| (policy.line, policy.alias.clone()));
    first.map(|policy| policy.alias.to_string()).or_else(|| {
        snapshot.providers_in_order().find_map(|provider| {
            let model = provider.models.first()?;
            Some(format!("{}/{}", provider.id, model.name))
        })
    })
}

fn snippets(base_url: &str, command: &str, model: &str) -> Vec<Snippet> {
    let model = serde_json::to_string(model).unwrap_or_default();
    let snippet = |id: &str, title: &str, language: &str, code: String| Snippet {
        id: id.to_owned(),
        title: title.to_owned(),
        language: language.to_owned(),
        code,
    };
    vec![
        snippet(
            "curl",
            "curl",
            "bash",
            format!(
                "eval \"$({command})\"\n\
                 curl -i {base_url}/v1/chat/completions \\\n  \
                 -H \"authorization: Bearer $OPENAI_API_KEY\" -H \"content-type: application/json\" \\\n  \
                 -d '{{\"model\":{model},\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}'"
            ),
        ),
        snippet(
            "python",
            "Python",
            "python",
            format!(
                "# in a shell first:  eval \"$({command})\"   and   pip install openai\n\
                 from openai import OpenAI\n\n\
                 client = OpenAI()  # OPENAI_BASE_URL={base_url}/v1 and OPENAI_API_KEY from the environment\n\
                 answer = client.chat.completions.create(\n    \
                 model={model}, messages=[{{\"role\": \"user\", \"content\": \"hi\"}}]\n)\n\
                 print(answer.choices[0].message.content)"
            ),
        ),
        snippet(
            "node",
            "TypeScript",
            "typescript",
            format!(
                "// in a shell first:  eval \"$({command})\"   and   npm install openai\n\
                 import OpenAI from \"openai\";\n\n\
                 const client = new OpenAI(); // OPENAI_BASE_URL={base_url}/v1 and OPENAI_API_KEY\n\
                 const answer = await client.chat.completions.create({{\n  \
                 model: {model},\n  messages: [{{ role: \"user\", content: \"hi\" }}],\n}});\n\
                 console.log(answer.choices[0].message.content);"
            ),
        ),
    ]
}
