//! What an examination found: the form in which `--json` prints it, which only ever grows.

use diagnosis::Code;
use serde::Serialize;

use super::words::Word;

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The form's version.
    pub(crate) v: u32,
    /// Whether nothing failed; warnings may stand beside it.
    pub(crate) ok: bool,
    /// What the command exits with.
    pub(crate) exit: u8,
    /// Findings about this machine and the gateway on it; empty where upstreams were named.
    pub(crate) local: Vec<Finding>,
    /// The upstreams, in the order of the configuration.
    pub(crate) upstreams: Vec<Upstream>,
    /// How many steps and findings ended how.
    pub(crate) counts: Counts,
}

/// How a step or finding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Not done; it says why.
    Skipped,
    /// Well.
    Ok,
    /// It works, and something will or may go wrong.
    Warning,
    /// It does not work.
    Failed,
}

/// One fact, with the one thing to do about it where it is a trouble.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    /// What was looked at: `config`, `port`, `storage`, `files`, `clock`; of an upstream a step's name.
    pub(crate) check: &'static str,
    /// How it ended.
    pub(crate) state: State,
    /// The code of a trouble, for `goodgate explain`.
    pub(crate) code: Option<&'static str>,
    /// What was found.
    pub(crate) text: String,
    /// What to do.
    pub(crate) fix: Option<String>,
}

impl Finding {
    /// All is well.
    pub(crate) fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self::plain(check, State::Ok, text)
    }

    /// It was not looked at.
    pub(crate) fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self::plain(check, State::Skipped, why)
    }

    /// A trouble that has a word of the doctor's own.
    pub(crate) fn trouble(
        check: &'static str,
        state: State,
        word: &'static Word,
        text: impl Into<String>,
    ) -> Self {
        Self {
            code: Some(word.name),
            fix: Some(word.fix.to_owned()),
            ..Self::plain(check, state, text)
        }
    }

    /// The same with a fix that names names.
    pub(crate) fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    fn plain(check: &'static str, state: State, text: impl Into<String>) -> Self {
        Self {
            check,
            state,
            code: None,
            text: text.into(),
            fix: None,
        }
    }
}

/// The layers, from the wire up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Layer {
    /// The name.
    Dns,
    /// The connection.
    Tcp,
    /// The handshake and the certificates.
    Tls,
    /// An answer of HTTP, at the right path.
    Http,
    /// The key.
    Auth,
    /// The list of models.
    Models,
    /// One call, with `--live`.
    Live,
}

impl Layer {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 7] = [
        Self::Dns,
        Self::Tcp,
        Self::Tls,
        Self::Http,
        Self::Auth,
        Self::Models,
        Self::Live,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Auth => "auth",
            Self::Models => "models",
            Self::Live => "live",
        }
    }
}

/// One layer of one upstream.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    /// Which.
    pub(crate) step: Layer,
    /// How it ended.
    pub(crate) state: State,
    /// How long it took, in microseconds.
    pub(crate) us: Option<u64>,
    /// The failure's code.
    pub(crate) code: Option<Code>,
    /// What was seen; for a skipped step the reason.
    pub(crate) text: String,
    /// All of a failure's evidence in one line, with addresses and bytes.
    pub(crate) evidence: Option<String>,
    /// A word or two for a table: `3ms`, `200`, `ok`, `91`.
    #[serde(skip)]
    pub(crate) cell: String,
    /// What to do.
    pub(crate) fix: Option<String>,
}

impl Step {
    /// It is well; `cell` is a word or two for a table.
    pub(crate) fn ok(step: Layer, text: String, cell: String) -> Self {
        Self {
            step,
            state: State::Ok,
            us: None,
            code: None,
            text,
            evidence: None,
            cell,
            fix: None,
        }
    }

    /// It was not done.
    pub(crate) fn skipped(step: Layer, why: &str) -> Self {
        Self {
            state: State::Skipped,
            ..Self::ok(step, why.to_owned(), "–".to_owned())
        }
    }

    /// It does not work.
    pub(crate) fn failed(step: Layer, code: Code, text: String, fix: impl Into<String>) -> Self {
        Self {
            state: State::Failed,
            code: Some(code),
            fix: Some(fix.into()),
            ..Self::ok(step, text, "✗".to_owned())
        }
    }
}

/// One upstream.
#[derive(Debug, Serialize)]
pub(crate) struct Upstream {
    /// Its name in the configuration, or the URL.
    pub(crate) name: String,
    /// `provider`, `route` or `url`.
    pub(crate) kind: &'static str,
    /// Its base URL.
    pub(crate) url: String,
    /// The worst of its steps and notes; `skipped` where nothing was done.
    pub(crate) state: State,
    /// The steps, in order.
    pub(crate) steps: Vec<Step>,
    /// What is not well and yet does not stop a call.
    pub(crate) notes: Vec<Finding>,
    /// What a failure does to callers.
    pub(crate) effect: Option<String>,
    /// Each name server's answer for each family.
    pub(crate) name_servers: Vec<String>,
    /// Each address with what became of it.
    pub(crate) addresses: Vec<String>,
    /// What was agreed, and the certificates that were shown, the server's own first.
    pub(crate) tls: Option<Tls>,
    /// Limits that the answer's headers tell.
    pub(crate) limits: Vec<(String, String)>,
    /// Which models it has.
    #[serde(skip)]
    pub(crate) models: Vec<String>,
    /// What real calls showed within the last hour, where a gateway runs.
    pub(crate) traffic: Option<Traffic>,
    /// The upstream's clock less ours, in seconds.
    pub(crate) clock_offset: Option<i64>,
}

/// A handshake.
#[derive(Debug, Serialize)]
pub(crate) struct Tls {
    /// `TLSv1.3`.
    pub(crate) version: Option<String>,
    /// `http/1.1`.
    pub(crate) protocol: Option<String>,
    /// The certificates.
    pub(crate) chain: Vec<Certificate>,
}

/// A certificate, as far as people ask for it.
#[derive(Debug, Serialize)]
pub(crate) struct Certificate {
    /// Whom it is for.
    pub(crate) subject: String,
    /// Who signed it.
    pub(crate) issuer: String,
    /// The names it is for.
    pub(crate) names: Vec<String>,
    /// From when, seconds since 1970.
    pub(crate) not_before: i64,
    /// Until when, seconds since 1970.
    pub(crate) not_after: i64,
}

/// Real calls of the last hour.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Traffic {
    /// Attempts that were looked at, 1,000 calls at most.
    pub(crate) attempts: u64,
    /// Those that failed, but for what callers asked for wrongly.
    pub(crate) failed: u64,
    /// The most frequent code of these.
    pub(crate) most_frequent: Option<String>,
    /// First byte, milliseconds: half took less.
    pub(crate) first_byte_p50_ms: Option<u64>,
    /// 95 % took less.
    pub(crate) first_byte_p95_ms: Option<u64>,
    /// 99 % took less.
    pub(crate) first_byte_p99_ms: Option<u64>,
}

/// How many steps and findings ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) failed: u64,
    pub(crate) warnings: u64,
    pub(crate) ok: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    fn add(&mut self, state: State) {
        let place = match state {
            State::Failed => &mut self.failed,
            State::Warning => &mut self.warnings,
            State::Ok => &mut self.ok,
            State::Skipped => &mut self.skipped,
        };
        *place += 1;
    }
}

impl Upstream {
    /// The step of a layer.
    pub(crate) fn step(&self, layer: Layer) -> Option<&Step> {
        self.steps.iter().find(|step| step.step == layer)
    }

    /// The first step that failed.
    pub(crate) fn failed(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.state == State::Failed)
    }

    /// Sums its state up from its steps and notes.
    pub(crate) fn settle(&mut self) {
        let states = self.steps.iter().map(|step| step.state);
        let all = states.chain(self.notes.iter().map(|note| note.state));
        self.state = all.max().unwrap_or(State::Skipped);
    }
}

impl Report {
    /// Puts a report together; `invalid` where the configuration is.
    pub(crate) fn new(local: Vec<Finding>, upstreams: Vec<Upstream>, invalid: bool) -> Self {
        let mut counts = Counts::default();
        for finding in &local {
            counts.add(finding.state);
        }
        for upstream in &upstreams {
            for step in &upstream.steps {
                counts.add(step.state);
            }
            for note in &upstream.notes {
                counts.add(note.state);
            }
        }
        let ok = counts.failed == 0;
        let exit = match (invalid, ok) {
            (true, _) => crate::exit::INVALID,
            (false, true) => 0,
            (false, false) => crate::exit::FAILURE,
        };
        Self {
            v: 1,
            ok,
            exit,
            local,
            upstreams,
            counts,
        }
    }
}
