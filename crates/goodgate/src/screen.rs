//! What a person sees at the start: providers, base URL, key, link, and commands that work when they are pasted.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use admin::App;
use config::{Colour, Diagnostic, Provider, Snapshot};
use types::{ProviderId, Secret};

use crate::error::ServeError;
use crate::probe::Shown;
use crate::settings::{Facts, SettingsError};

/// The facts of a start.
#[derive(Debug)]
pub(crate) struct Screen {
    pub(crate) address: SocketAddr,
    pub(crate) first_key: Secret,
    pub(crate) app: App,
    pub(crate) state: PathBuf,
}

/// The operator's log goes to standard error; calls are the journal's.
pub(crate) fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("GOODGATE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,refinery_core=warn"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would tell of a full disk by a panic of whoever logs.
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    if log.try_init().is_err() {
        // Someone has set one already; theirs is as good.
    }
}

/// Whether a person reads standard output.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// How people start this program: by name where the shell finds this very file by it, else by its path.
pub(crate) fn command() -> String {
    let Ok(own) = std::env::current_exe() else {
        return "goodgate".to_owned();
    };
    let found = cli::on_path("goodgate").and_then(|path| path.canonicalize().ok());
    if found.as_deref() == own.canonicalize().ok().as_deref() && found.is_some() {
        return "goodgate".to_owned();
    }
    let shown = own.display().to_string();
    if shown.contains(' ') {
        format!("'{shown}'")
    } else {
        shown
    }
}

/// Says why the gateway does not run.
pub(crate) fn complain(error: &ServeError) {
    let mut text = String::new();
    if let ServeError::Settings(SettingsError::Invalid(diagnostics)) = error {
        text.push_str(&rendered(diagnostics));
        push(&mut text, format_args!("{}\n", counted(diagnostics)));
    } else {
        push(&mut text, format_args!("goodgate: {error}"));
        let mut source = error.source();
        while let Some(cause) = source {
            push(&mut text, format_args!(": {cause}"));
            source = cause.source();
        }
        text.push('\n');
    }
    say(&text);
}

fn counted(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics
        .iter()
        .filter(|d| d.severity == config::Severity::Error)
        .count();
    let warnings = diagnostics.len() - errors;
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    format!(
        "{errors} error{}, {warnings} warning{} · not loaded",
        plural(errors),
        plural(warnings)
    )
}

/// Warnings of a configuration that runs all the same.
pub(crate) fn warnings(warnings: &[Diagnostic]) {
    if !warnings.is_empty() {
        say(&rendered(warnings));
    }
}

fn rendered(diagnostics: &[Diagnostic]) -> String {
    let colour = if std::io::stderr().is_terminal() {
        Colour::On
    } else {
        Colour::Off
    };
    diagnostics
        .iter()
        .map(|diagnostic| diagnostic.render_human(colour))
        .collect()
}

fn say(text: &str) {
    // Nobody to tell: nothing to do about it.
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

impl Screen {
    /// Prints the start screen.
    pub(crate) fn print(
        &self,
        snapshot: &Snapshot,
        facts: Option<&Facts>,
        shown: &HashMap<ProviderId, Shown>,
        file: Option<&Path>,
    ) {
        let text = self.text(snapshot, facts, shown, file);
        let mut out = std::io::stdout().lock();
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }

    fn text(
        &self,
        snapshot: &Snapshot,
        facts: Option<&Facts>,
        shown: &HashMap<ProviderId, Shown>,
        file: Option<&Path>,
    ) -> String {
        let mut out = String::new();
        let version = env!("CARGO_PKG_VERSION");
        match file {
            Some(file) => push(
                &mut out,
                format_args!("goodgate {version}   {}\n\n", file.display()),
            ),
            None => push(
                &mut out,
                format_args!(
                    "goodgate {version}   no goodgate.yaml found: using your environment\n\n"
                ),
            ),
        }
        self.providers(&mut out, snapshot, facts, shown);
        let base = self.base(snapshot);
        push(
            &mut out,
            format_args!("  Base URL    {base}/v1     (the OpenAI SDKs' base_url)\n"),
        );
        push(
            &mut out,
            format_args!("  Your key    {}\n", self.first_key.reveal()),
        );
        push(
            &mut out,
            format_args!(
                "              this machine only; kept in {} (0600)\n",
                self.state.join("first-key").display()
            ),
        );
        let link = self.app.sign_in_link();
        let ui = link.split('?').next().unwrap_or_default();
        push(
            &mut out,
            format_args!(
                "  Web UI      {ui}     signed in by this link, once, 10 min:\n              {link}\n"
            ),
        );
        safety_net(&mut out, snapshot);
        self.snippet(&mut out, snapshot, &base);
        out
    }

    fn base(&self, snapshot: &Snapshot) -> String {
        match &snapshot.server.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.address),
        }
    }

    fn providers(
        &self,
        out: &mut String,
        snapshot: &Snapshot,
        facts: Option<&Facts>,
        shown: &HashMap<ProviderId, Shown>,
    ) {
        let mut label = "Providers";
        let real: Vec<_> = snapshot
            .providers_in_order()
            .filter(|p| p.kind.place != provider::Place::Inside)
            .map(|provider| (provider, Head::of(provider, facts)))
            .collect();
        let widths = Widths::of(real.iter().map(|(_, head)| head));
        for (provider, head) in real {
            let line = provider_line(&head.padded(&widths), shown.get(&provider.id));
            push(out, format_args!("  {label:<11} {line}\n"));
            label = "";
        }
        if label == "Providers" {
            let variables = facts
                .map(|facts| facts.missing.join(", "))
                .unwrap_or_default();
            push(
                out,
                format_args!(
                    "  {label:<11} ○ none: no {variables}; no Ollama on 127.0.0.1:11434\n"
                ),
            );
        } else if let Some(facts) = facts.filter(|facts| !facts.missing.is_empty()) {
            push(
                out,
                format_args!("  {:<11} ○ not set: {}\n", "", facts.missing.join(", ")),
            );
        }
        for ignored in facts
            .map(|facts| facts.ignored.as_slice())
            .unwrap_or_default()
        {
            push(
                out,
                format_args!(
                    "  {:<11} ! {} is ignored: it {}\n",
                    "", ignored.variable, ignored.reason
                ),
            );
        }
        if snapshot.demo {
            out.push_str("  DEMO MODE   demo/* answers come from a script inside goodgate, NOT from an AI model. Nothing of them leaves this machine, nothing is billed.\n");
            out.push_str("              demo/echo  demo/flaky-502  demo/slow  demo/rate-limited  demo/html-502  demo/cut-stream  demo/down\n");
            out.push_str("  Next        set a provider's key in the environment, e.g. export OPENAI_API_KEY=…, and start again\n");
        }
    }

    /// The first call: it survives a dead target where demo mode is on, and says so in its headers.
    fn snippet(&self, out: &mut String, snapshot: &Snapshot, base: &str) {
        let Some(model) = first_model(snapshot) else {
            return;
        };
        let command = command();
        let state = state_flag(&self.state);
        push(
            out,
            format_args!("\n  Paste in another terminal:\n    eval \"$({command} env{state})\"\n"),
        );
        push(
            out,
            format_args!(
                "    curl -i {base}/v1/chat/completions -H \"authorization: Bearer $OPENAI_API_KEY\" -H \"content-type: application/json\" \\\n      -d '{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"What is the capital of France? Answer in one sentence.\"}}]}}'\n"
            ),
        );
        push(
            out,
            format_args!(
                "  or, with the OpenAI SDK (pip install openai):\n    python3 -c 'from openai import OpenAI; print(OpenAI().chat.completions.create(model=\"{model}\", messages=[{{\"role\":\"user\",\"content\":\"What is the capital of France? Answer in one sentence.\"}}]).choices[0].message.content)'\n"
            ),
        );
        push(
            out,
            format_args!(
                "  Why a call failed:  {command} explain{state} REQUEST_ID\n  What works here:    {command} doctor{state}\n  Watch an outage:    {command} demo     (its own gateway, free of charge)\n\n"
            ),
        );
    }
}

/// What a command needs to find the state folder; it finds the usual one by itself.
pub(crate) fn state_flag(state: &Path) -> String {
    if config::Environment::capture().state_folder() == state {
        return String::new();
    }
    format!(" --state {}", state.display())
}

/// The first columns of a provider's line.
struct Head {
    name: String,
    source: String,
    hint: String,
}

/// As wide as the longest cell of each, within reason.
struct Widths {
    name: usize,
    source: usize,
    hint: usize,
}

impl Widths {
    fn of<'h>(heads: impl Iterator<Item = &'h Head>) -> Self {
        let mut widths = Self {
            name: 11,
            source: 14,
            hint: 0,
        };
        for head in heads {
            let wider = |width: usize, cell: &str| width.max(cell.chars().count()).min(32);
            widths.name = wider(widths.name, &head.name);
            widths.source = wider(widths.source, &head.source);
            widths.hint = wider(widths.hint, &head.hint);
        }
        widths
    }
}

impl Head {
    fn of(provider: &Provider, facts: Option<&Facts>) -> Self {
        let mut found = facts.into_iter().flat_map(|facts| &facts.found);
        let found = found.find(|found| found.provider == provider.id);
        let secrets = provider.credentials.iter();
        let configured = secrets.filter_map(|credential| credential.secret.as_ref());
        let hint = found.and_then(|found| found.key_hint.clone());
        Self {
            name: provider.id.as_str().to_owned(),
            source: found.map_or_else(
                || provider.endpoint.authority(),
                |found| found.source.clone(),
            ),
            hint: hint
                .or_else(|| configured.map(Secret::hint).next())
                .unwrap_or_default(),
        }
    }

    fn padded(&self, widths: &Widths) -> String {
        let (name, source, hint) = (widths.name, widths.source, widths.hint);
        format!(
            "{:<name$}  {:<source$}  {:<hint$}",
            self.name, self.source, self.hint
        )
    }
}

fn provider_line(head: &str, shown: Option<&Shown>) -> String {
    match shown {
        Some(Shown::Models { models, took }) => {
            let count = models.len();
            let plural = if count == 1 { "" } else { "s" };
            format!(
                "✓ {head} {count:>3} model{plural}   {} ms",
                took.as_millis()
            )
        }
        Some(Shown::Failed { code, line, status }) => {
            let status = status
                .map(|status| format!("{status} "))
                .unwrap_or_default();
            format!(
                "✗ {head} {status}{line} (`{} explain {}`)",
                command(),
                code.as_str()
            )
        }
        None => format!("○ {head} not asked"),
    }
}

fn safety_net(out: &mut String, snapshot: &Snapshot) {
    let policy = &snapshot.resilience;
    let total = policy.timeout.total.map_or(300, |total| total.as_secs());
    let breakers = match policy.guards.breaker.mode {
        resilience::Mode::Act => " · circuit breakers on",
        resilience::Mode::Shadow | resilience::Mode::Off => "",
    };
    push(
        out,
        format_args!(
            "  Safety net  up to {} attempts in {total} s · retries at most {:.0} % of calls{breakers} · prompts are NOT stored (store: metadata)\n",
            policy.max_attempts,
            policy.retry_budget * 100.0
        ),
    );
}

/// What the snippet asks for: the alias `first`, else the first alias, else a model that a provider has.
fn first_model(snapshot: &Snapshot) -> Option<String> {
    if snapshot.models.contains_key("first") {
        return Some("first".to_owned());
    }
    let names = snapshot.model_names();
    // An alias is what calls should ask for: it has a stand-in for its first target, as a rule.
    let aliases = snapshot.models.values();
    if let Some(alias) = aliases.min_by_key(|policy| (policy.line, policy.alias.clone())) {
        return Some(alias.alias.to_string());
    }
    let cheap = names.iter().find(|(name, _)| {
        name.contains("mini") || name.contains("haiku") || name.contains("flash")
    });
    cheap
        .or_else(|| names.first())
        .map(|(name, _)| (*name).to_owned())
}

/// Writing to a string cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).unwrap_or_default();
}
