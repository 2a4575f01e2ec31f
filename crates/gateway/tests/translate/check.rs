//! The door: a call goes to every provider, whole, streamed, and streamed with every byte by itself.

#![expect(clippy::needless_pass_by_value, reason = "cases are written in place")]

use serde_json::{Value, json};

use crate::answer::{self, Answer, ensure, fits};
use crate::client::Reply;
use crate::rig::{Rig, in_parallel, script};

/// Providers, their model, and the one whose streams are cut at every byte.
pub(crate) const PROVIDERS: [(&str, &str, &str); 3] = [
    ("anthropic", "claude-haiku-4-5", "claude-haiku-4-5-20251001"),
    ("gemini", "gemini-2.5-flash", "gemini-2.5-flash-20250929"),
    ("mistral", "mistral-small-latest", "mistral-small-20250929"),
];

/// Every provider below its own prefix of the drill.
pub(crate) const CONFIGURATION: &str = "
server: { listen: 127.0.0.1:0, workers: 1, max_body: 20MB }
providers:
  anthropic: { type: anthropic, base_url: DRILL/anthropic, api_key: sk-x }
  gemini: { type: gemini, base_url: DRILL/gemini, api_key: sk-x }
  mistral: { type: mistral, base_url: DRILL/mistral, api_key: sk-x }
  openai: { type: openai, base_url: DRILL/openai, api_key: sk-x }
resilience:
  timeout: { first_token: 5s, idle: 5s, total: 20s }
  retry: { max_attempts: 1 }
errors: { detail: full }
";

/// How an answer is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    Whole,
    Stream,
    /// Every byte of the upstream's stream comes by itself.
    Split,
    /// Without the usage at the end.
    Bare,
}

pub(crate) const FORMS: [Form; 4] = [Form::Whole, Form::Stream, Form::Split, Form::Bare];

/// What a call becomes, and what of its answer.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    name: &'static str,
    call: Value,
    reply: String,
    models: Vec<(&'static str, &'static str)>,
    sends: Vec<(&'static str, Value)>,
    holds: Vec<(&'static str, &'static str)>,
    says: Vec<(&'static str, Value)>,
    loses: Vec<(&'static str, Vec<&'static str>)>,
    refuses: Vec<(&'static str, &'static str)>,
}

impl Case {
    /// A call with these members; without `messages` a user says hi.
    pub(crate) fn new(name: &'static str, call: Value) -> Self {
        Self {
            name,
            call,
            reply: String::new(),
            models: PROVIDERS
                .map(|(provider, model, _)| (provider, model))
                .to_vec(),
            sends: Vec::new(),
            holds: Vec::new(),
            says: Vec::new(),
            loses: Vec::new(),
            refuses: Vec::new(),
        }
    }

    /// What the model answers; else what the drill thinks fit.
    pub(crate) fn reply(mut self, json: impl ToString) -> Self {
        self.reply = json.to_string();
        self
    }

    /// Only this model.
    pub(crate) fn only(mut self, provider: &'static str, model: &'static str) -> Self {
        self.models = vec![(provider, model)];
        self
    }

    /// The provider gets a body in which these paths hold these values; null stands for absence.
    pub(crate) fn sends(mut self, provider: &'static str, paths: Value) -> Self {
        self.sends.push((provider, paths));
        self
    }

    /// The provider gets a body that holds this text.
    pub(crate) fn holds(mut self, provider: &'static str, text: &'static str) -> Self {
        self.holds.push((provider, text));
        self
    }

    /// The client gets this from every provider.
    pub(crate) fn says(self, expected: Value) -> Self {
        self.says_of("", expected)
    }

    /// The client gets this from one provider, which counts in place of what is said of all.
    pub(crate) fn says_of(mut self, provider: &'static str, expected: Value) -> Self {
        self.says.push((provider, expected));
        self
    }

    /// The row tells that these fields could not be carried, and no others.
    pub(crate) fn loses(mut self, provider: &'static str, fields: &[&'static str]) -> Self {
        self.loses.push((provider, fields.to_vec()));
        self
    }

    /// The call is refused before it is sent, by the name of this parameter.
    pub(crate) fn refuses(mut self, provider: &'static str, param: &'static str) -> Self {
        self.refuses.push((provider, param));
        self
    }

    fn rig(&self) -> Rig {
        let reply = if self.reply.is_empty() {
            "null"
        } else {
            &self.reply
        };
        let rules = format!(
            r#"{{"rules":[{{"when":{{"model":"*-20*"}},"split":1,"reply":{reply}}},{{"reply":{reply}}}]}}"#
        );
        Rig::with(CONFIGURATION, script(&rules))
    }

    fn wrong(&self) -> Vec<String> {
        let rig = self.rig();
        let mut wrong = Vec::new();
        for (provider, model) in &self.models {
            let mut streams = Vec::new();
            for form in FORMS {
                let result = self.one(&rig, provider, model, form);
                match result {
                    Ok(answer) if matches!(form, Form::Stream | Form::Split) => {
                        streams.extend(answer.map(|answer| answer.chunks));
                    }
                    Ok(_) => {}
                    Err(told) => {
                        wrong.push(format!("{} to {provider}, {form:?}: {told}", self.name))
                    }
                }
            }
            if let [whole, split] = streams.as_slice()
                && whole != split
            {
                wrong.push(format!(
                    "{} to {provider}: cut at every byte, {split:?} in place of {whole:?}",
                    self.name
                ));
            }
        }
        wrong
    }

    fn one(
        &self,
        rig: &Rig,
        provider: &str,
        model: &str,
        form: Form,
    ) -> Result<Option<Answer>, String> {
        let split = PROVIDERS
            .iter()
            .find(|(_, known, _)| *known == model)
            .map(|(_, _, split)| *split);
        let model = split.filter(|_| form == Form::Split).unwrap_or(model);
        let before = rig.drill.seen().len();
        let reply = ask(rig, &format!("{provider}/{model}"), &self.call, form);
        let seen: Vec<_> = rig.drill.seen().into_iter().skip(before).collect();
        if let Some((_, param)) = self.refuses.iter().find(|(p, _)| *p == provider) {
            ensure(seen.is_empty(), || "it was sent all the same".to_owned())?;
            return refused(&reply, param).map(|()| None);
        }
        let told = || {
            let sent: Vec<_> = seen
                .iter()
                .map(|s| String::from_utf8_lossy(&s.body).into_owned())
                .collect();
            format!("{} {}; sent {sent:?}", reply.status, reply.body)
        };
        let [seen] = seen.as_slice() else {
            return Err(format!("{} attempts: {}", seen.len(), told()));
        };
        ensure(seen.status == Some(200), || {
            format!("the drill refused it: {}", told())
        })?;
        ensure(reply.status == 200, told)?;
        self.sent(provider, &seen.body)?;
        let answer = read(&reply, form)?;
        let said = |of: &str| {
            self.says
                .iter()
                .find(|(p, _)| *p == of)
                .map(|(_, expected)| expected)
        };
        if let Some(expected) = said(provider).or_else(|| said("")) {
            let mut expected = expected.clone();
            if form == Form::Bare {
                expected.as_object_mut().unwrap().remove("usage");
            }
            ensure(fits(&answer.said, &expected), || {
                format!("{} is not {expected}", answer.said)
            })?;
        }
        if let Some((_, fields)) = self.loses.iter().find(|(p, _)| *p == provider) {
            let lost: Vec<_> = rig
                .row(&reply)
                .call
                .details
                .losses
                .into_iter()
                .map(|loss| loss.field)
                .collect();
            ensure(lost == *fields, || format!("lost {lost:?}, not {fields:?}"))?;
            let told = reply.header("x-goodgate-lost").unwrap_or_default();
            let tells = fields
                .iter()
                .all(|field| told.split(", ").any(|name| name == *field));
            ensure(tells, || {
                format!("the header tells of {told:?}, not {fields:?}")
            })?;
        }
        Ok(Some(answer))
    }

    fn sent(&self, provider: &str, body: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(body);
        let json: Value = serde_json::from_slice(body).map_err(|e| format!("{e}: {text}"))?;
        for (_, paths) in self.sends.iter().filter(|(p, _)| *p == provider) {
            for (path, expected) in paths.as_object().unwrap() {
                let found = json.pointer(path).unwrap_or(&Value::Null);
                ensure(fits(found, expected), || {
                    format!("sent {path} {found}, not {expected}: {text}")
                })?;
            }
        }
        for (_, words) in self.holds.iter().filter(|(p, _)| *p == provider) {
            ensure(text.contains(words), || format!("sent no {words}: {text}"))?;
        }
        Ok(())
    }
}

/// Sends a call.
pub(crate) fn ask(rig: &Rig, model: &str, call: &Value, form: Form) -> Reply {
    let mut body = call.clone();
    body["model"] = json!(model);
    if body.get("messages").is_none() {
        body["messages"] = json!([{"role": "user", "content": "hi"}]);
    }
    if form != Form::Whole {
        body["stream"] = json!(true);
    }
    if matches!(form, Form::Stream | Form::Split) {
        body["stream_options"] = json!({"include_usage": true});
    }
    rig.post("/v1/chat/completions", &body.to_string())
}

/// Reads an answer in its form.
pub(crate) fn read(reply: &Reply, form: Form) -> Result<Answer, String> {
    match form {
        Form::Whole => answer::whole(reply),
        Form::Stream | Form::Split => answer::stream(reply, true),
        Form::Bare => answer::stream(reply, false),
    }
}

fn refused(reply: &Reply, param: &str) -> Result<(), String> {
    let error = reply.json()["error"].clone();
    let told = || format!("{} {error}", reply.status);
    ensure(reply.status == 400, told)?;
    ensure(error["type"] == "invalid_request_error", told)?;
    ensure(error["param"] == param, || {
        format!("param is not {param}: {error}")
    })
}

/// Checks the cases and tells all that is wrong at once.
pub(crate) fn check(cases: &[Case]) {
    let wrong: Vec<_> = in_parallel(cases, Case::wrong)
        .into_iter()
        .flatten()
        .collect();
    assert!(
        wrong.is_empty(),
        "{} things are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
