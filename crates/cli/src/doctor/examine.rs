//! Examines one upstream, layer by layer. The first layer that fails is the finding; what lies above it is skipped and
//! says why. What failed is judged by the classifier of the data path.

use std::sync::Arc;
use std::time::Duration;

use config::Credential;
use diagnosis::{Code, Evidence, Phase, Verdict, judge};
use provider::Kind;
use types::Clock;
use upstream::dns::{Family, KnownBy};
use upstream::probe::{self, Layers};
use upstream::{Client, Destination, Resolver, Timers};

use super::live::{self, Live};
use super::report::{Certificate, Finding, Layer, State, Step, Tls, Upstream};
use super::subjects::{Keys, Question, Subject};
use super::words;
use crate::asking::{self, Heard, Place};

/// The longest wait for an answer's head, whatever the configuration allows calls.
const LONGEST: Duration = Duration::from_secs(10);

/// A certificate that ends sooner is worth a warning: whoever renews in time renews a month before.
const EXPIRING: i64 = 14 * 86_400;

/// What examinations share.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether to make one call each.
    pub(crate) live: bool,
}

/// Examines one upstream.
///
/// # Cancel safety
/// Dropping it closes what it has opened.
pub(crate) async fn examine(subject: &Subject, tools: &Tools) -> Upstream {
    let mut found = Upstream {
        name: subject.name.clone(),
        kind: subject.kind,
        url: subject.endpoint.url(),
        state: State::Skipped,
        steps: Vec::new(),
        notes: Vec::new(),
        effect: None,
        name_servers: Vec::new(),
        addresses: Vec::new(),
        tls: None,
        limits: Vec::new(),
        models: Vec::new(),
        traffic: None,
        clock_offset: None,
    };
    match &subject.destination {
        Ok(destination) => {
            let mut examination = Examination {
                subject,
                tools,
                destination,
                timers: asking::timers(&*tools.clock, &subject.timeouts, LONGEST),
                found: &mut found,
            };
            examination.run().await;
        }
        Err(error) => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            let fix = "Correct this provider's tls settings.";
            found.steps.push(Step::failed(
                Layer::Tls,
                Code::TlsHandshakeFailure,
                text,
                fix,
            ));
        }
    }
    skip_the_rest(&mut found, tools.live);
    found.settle();
    found
}

/// Whatever has no step by now was not reached.
fn skip_the_rest(found: &mut Upstream, live: bool) {
    let Some(reason) = found
        .failed()
        .map(|failed| format!("{} failed", failed.step.as_str()))
    else {
        return;
    };
    for layer in Layer::ALL {
        if found.step(layer).is_none() && (live || layer != Layer::Live) {
            found.steps.push(Step::skipped(layer, &reason));
        }
    }
    found.steps.sort_by_key(|step| step.step);
}

struct Examination<'a> {
    subject: &'a Subject,
    tools: &'a Tools,
    destination: &'a Destination,
    timers: Timers,
    found: &'a mut Upstream,
}

impl Examination<'_> {
    async fn run(&mut self) {
        let (resolver, clock) = (&self.tools.resolver, &self.tools.clock);
        let layers = probe::look(resolver, clock, self.destination, &self.timers).await;
        if self.wire(layers) {
            match &self.subject.question {
                Question::Models {
                    kind,
                    credentials,
                    keys,
                    model,
                } => {
                    self.models(kind, credentials, *keys, model.as_deref())
                        .await
                }
                Question::Any { key, health } => {
                    self.any_answer(*key).await;
                    if let Some(path) = health.as_deref().filter(|_| self.found.failed().is_none())
                    {
                        self.health_check(path).await;
                    }
                }
            }
        }
    }

    /// The layers below HTTP; whether they all stand.
    fn wire(&mut self, layers: Layers) -> bool {
        let failed_in = layers.failure.as_ref().map(|evidence| evidence.phase);
        let verdict = layers.failure.as_deref().map(judge);
        self.names(
            &layers,
            verdict.as_ref().filter(|_| failed_in == Some(Phase::Dns)),
        );
        if failed_in == Some(Phase::Dns) {
            return false;
        }
        self.addresses(
            &layers,
            verdict
                .as_ref()
                .filter(|_| failed_in == Some(Phase::Connect)),
        );
        if failed_in == Some(Phase::Connect) {
            return false;
        }
        self.handshake(layers, verdict.as_ref());
        failed_in.is_none()
    }

    fn names(&mut self, layers: &Layers, failed: Option<&Verdict>) {
        let names = &layers.names;
        for answer in &names.answers {
            let family = match answer.family {
                Family::V4 => "A",
                Family::V6 => "AAAA",
            };
            let said = match &answer.found {
                Ok((count, ttl)) => {
                    let plural = if *count == 1 { "" } else { "es" };
                    format!("{count} address{plural}, for {} s", ttl.as_secs())
                }
                Err(fault) => said_of(fault, Phase::Dns),
            };
            self.found.name_servers.push(format!(
                "{} {family}: {said} ({})",
                answer.server,
                shown(answer.took)
            ));
        }
        if let Some(verdict) = failed {
            return self.fail(Layer::Dns, verdict, names.took, None);
        }
        let (text, cell) = match &names.by {
            KnownBy::Itself => ("an address needs no looking up".to_owned(), "–".to_owned()),
            KnownBy::HostsFile(file) => (format!("found in {}", file.display()), shown(names.took)),
            KnownBy::Library => (
                "found by the system's library".to_owned(),
                shown(names.took),
            ),
            KnownBy::Servers(servers) => {
                let plural = if servers.len() == 1 { "" } else { "s" };
                let text = format!("found by {} name server{plural}", servers.len());
                (text, shown(names.took))
            }
        };
        self.pass(Layer::Dns, Some(names.took), text, cell);
        let silent = names.answers.iter().find(|answer| {
            matches!(
                answer.found,
                Err(diagnosis::Fault::DnsTimeout | diagnosis::Fault::DnsFailed { .. })
            )
        });
        if let Some(answer) = silent {
            let said = answer
                .found
                .as_ref()
                .err()
                .map(|fault| said_of(fault, Phase::Dns))
                .unwrap_or_default();
            let text = format!("name server {}: {said}", answer.server);
            self.warn(Finding::trouble(
                "dns",
                State::Warning,
                &words::RESOLVER_FAILING,
                text,
            ));
        }
    }

    fn addresses(&mut self, layers: &Layers, failed: Option<&Verdict>) {
        for address in &layers.addresses {
            self.found.addresses.push(format!(
                "{} {} in {}",
                address.address,
                address.result,
                shown(address.took)
            ));
        }
        let longest = layers.addresses.iter().map(|address| address.took).max();
        if let Some(verdict) = failed {
            return self.fail(Layer::Tcp, verdict, longest.unwrap_or_default(), None);
        }
        let dead: Vec<_> = layers
            .addresses
            .iter()
            .filter(|address| address.fault.is_some())
            .collect();
        let quickest = layers
            .addresses
            .iter()
            .filter(|address| address.fault.is_none())
            .map(|address| address.took)
            .min()
            .unwrap_or_default();
        let count = layers.addresses.len();
        let plural = if count == 1 { "" } else { "es" };
        let text = format!(
            "{} of {count} address{plural} connected",
            count - dead.len()
        );
        self.pass(Layer::Tcp, Some(quickest), text, shown(quickest));
        // `localhost` has both families by definition; a server on one of them is as usual.
        if self.destination.host.eq_ignore_ascii_case("localhost") {
            return;
        }
        if let Some(first) = dead.first() {
            let text = format!(
                "{} of {count} addresses does not connect: {} {}",
                dead.len(),
                first.address,
                first.result
            );
            self.warn(Finding::trouble(
                "tcp",
                State::Warning,
                &words::ADDRESS_DEAD,
                text,
            ));
        }
    }

    fn handshake(&mut self, layers: Layers, failed: Option<&Verdict>) {
        let Some(handshake) = layers.handshake else {
            match failed {
                Some(verdict) => self.fail(Layer::Tls, verdict, Duration::ZERO, None),
                None => self
                    .found
                    .steps
                    .push(Step::skipped(Layer::Tls, "the URL says http")),
            }
            return;
        };
        let version = handshake.version.map(str::to_owned);
        let chain: Vec<Certificate> = handshake
            .chain
            .into_iter()
            .map(|shown| Certificate {
                subject: shown.subject,
                issuer: shown.issuer,
                names: shown.names,
                not_before: shown.not_before,
                not_after: shown.not_after,
            })
            .collect();
        let now = i64::try_from(self.tools.clock.unix_millis() / 1000).unwrap_or(i64::MAX);
        let ends_in = chain.first().map(|own| own.not_after.saturating_sub(now));
        let told = chain.first().map(told).unwrap_or_default();
        let agreed = [version.as_deref(), handshake.protocol.as_deref()];
        let agreed: Vec<&str> = agreed.into_iter().flatten().collect();
        self.found.tls = Some(Tls {
            version: version.clone(),
            protocol: handshake.protocol.clone(),
            chain,
        });
        match failed {
            Some(verdict) => {
                let more = (!told.is_empty()).then(|| format!("shown: {told}"));
                self.fail(Layer::Tls, verdict, handshake.took, more.as_deref());
            }
            None => {
                let text = format!("{}, {told}", agreed.join(", "));
                self.pass(
                    Layer::Tls,
                    Some(handshake.took),
                    text,
                    shown(handshake.took),
                );
                if let Some(left) = ends_in.filter(|left| (0..EXPIRING).contains(left)) {
                    let days = left / 86_400;
                    let plural = if days == 1 { "" } else { "s" };
                    let text = format!("certificate expires in {days} day{plural}");
                    self.warn(Finding::trouble(
                        "tls",
                        State::Warning,
                        &words::TLS_CERT_EXPIRING,
                        text,
                    ));
                }
            }
        }
    }

    async fn models(
        &mut self,
        kind: &'static Kind,
        credentials: &[Arc<Credential>],
        keys: Keys,
        model: Option<&str>,
    ) {
        let mut working = None;
        let mut refused = Vec::new();
        let mut unset = Vec::new();
        for credential in credentials {
            let secret = credential.secret.as_ref();
            if secret.is_some_and(|secret| !provider::auth::is_sendable(secret)) {
                unset.push(credential);
                continue;
            }
            let place = Place {
                endpoint: &self.subject.endpoint,
                destination: self.destination,
                headers: &self.subject.headers,
                timers: &self.timers,
            };
            let (client, clock) = (&self.tools.client, &*self.tools.clock);
            let heard = asking::models(client, clock, place, kind, secret).await;
            self.renew_timers();
            match heard.failure.as_deref().map(judge) {
                Some(verdict) if is_of_the_key(verdict.code) => {
                    refused.push((credential, heard, verdict));
                }
                _ => {
                    working = Some((credential, heard));
                    break;
                }
            }
        }
        if let Some((credential, heard)) = working {
            self.answered(&heard, kind);
            for (credential, _, verdict) in refused {
                let finding = Finding {
                    check: "auth",
                    state: State::Warning,
                    code: Some(verdict.code.as_str()),
                    text: refusal(credential, &verdict),
                    fix: Some(new_key(credential, verdict.code)),
                };
                self.warn(finding);
            }
            if self.tools.live && self.found.failed().is_none() {
                self.live(kind, credential, model).await;
            }
        } else if let Some((credential, heard, verdict)) = refused.into_iter().next() {
            self.take_note(&heard);
            self.pass(
                Layer::Http,
                Some(heard.took),
                format!("answered {} in {}", status(&heard), shown(heard.took)),
                status(&heard),
            );
            if keys == Keys::NoneNamed {
                let why = "it wants a key, and a bare URL has none: name the provider instead";
                self.found.steps.push(Step::skipped(Layer::Auth, why));
                self.found.steps.push(Step::skipped(Layer::Models, why));
                return;
            }
            let text = format!(
                "the host answered, so network and TLS are fine; {}",
                refusal(credential, &verdict)
            );
            let fix = new_key(credential, verdict.code);
            self.found.steps.push(Step {
                evidence: Some(verdict.full_line),
                us: Some(micros(heard.took)),
                ..Step::failed(Layer::Auth, verdict.code, text, fix)
            });
        } else if let Some(credential) = unset.first() {
            let why = format!(
                "{} is not set here, so nothing can be asked",
                source(credential)
            );
            for layer in [Layer::Http, Layer::Auth, Layer::Models] {
                self.found.steps.push(Step::skipped(layer, &why));
            }
        }
    }

    /// An answer to the question for models that says nothing against the key.
    fn answered(&mut self, heard: &Heard, kind: &Kind) {
        self.take_note(heard);
        let verdict = heard.failure.as_deref().map(judge);
        match (verdict, &heard.models) {
            (Some(verdict), _) if verdict.code == Code::RateLimited => {
                self.pass(
                    Layer::Http,
                    Some(heard.took),
                    "answered 429".to_owned(),
                    status(heard),
                );
                self.pass(
                    Layer::Auth,
                    None,
                    "the key is known: it has used up its rate".to_owned(),
                    "ok".to_owned(),
                );
                let finding = Finding {
                    check: "models",
                    state: State::Warning,
                    code: Some(verdict.code.as_str()),
                    text: brief(&verdict),
                    fix: Some(verdict.code.facts().fix.to_owned()),
                };
                self.warn(finding);
                self.found
                    .steps
                    .push(Step::skipped(Layer::Models, "the rate is used up for now"));
            }
            (Some(verdict), _) => self.fail(Layer::Http, &verdict, heard.took, None),
            (None, models) => {
                let count = models.as_ref().map_or(0, Vec::len);
                let text = format!("answered {} in {}", status(heard), shown(heard.took));
                self.pass(Layer::Http, Some(heard.took), text, status(heard));
                let auth = if kind.needs_key() {
                    "the key is taken"
                } else {
                    "no key is refused"
                };
                self.pass(Layer::Auth, None, auth.to_owned(), "ok".to_owned());
                let plural = if count == 1 { "" } else { "s" };
                self.pass(
                    Layer::Models,
                    None,
                    format!("{count} model{plural}"),
                    count.to_string(),
                );
                self.found.models = models.clone().unwrap_or_default();
            }
        }
    }

    /// What the route's own health check would see.
    async fn health_check(&mut self, path: &str) {
        let place = Place {
            endpoint: &self.subject.endpoint,
            destination: self.destination,
            headers: &self.subject.headers,
            timers: &self.timers,
        };
        let (client, clock) = (&self.tools.client, &*self.tools.clock);
        let heard = asking::any_answer(client, clock, place, path).await;
        let text = match (heard.failure.as_deref(), heard.status) {
            (Some(evidence), _) => {
                format!("health check {path}: {}", judge(evidence).code.as_str())
            }
            (None, Some(found)) if found < 400 => return,
            (None, _) => format!("health check {path} answered {}", status(&heard)),
        };
        let word = &words::HEALTH_CHECK_FAILING;
        let finding = Finding::trouble("health", State::Warning, word, text);
        self.found.notes.push(finding);
    }

    async fn any_answer(&mut self, has_key: bool) {
        let path = match self.subject.endpoint.base_path.as_str() {
            "" => "/",
            path => path,
        };
        let place = Place {
            endpoint: &self.subject.endpoint,
            destination: self.destination,
            headers: &self.subject.headers,
            timers: &self.timers,
        };
        let (client, clock) = (&self.tools.client, &*self.tools.clock);
        let heard = asking::any_answer(client, clock, place, path).await;
        self.take_note(&heard);
        let none = "this is no provider of models";
        if let Some(evidence) = heard.failure.as_deref() {
            let verdict = judge(evidence);
            return self.fail(Layer::Http, &verdict, heard.took, None);
        }
        let text = format!("answered {} in {}", status(&heard), shown(heard.took));
        self.pass(Layer::Http, Some(heard.took), text, status(&heard));
        let refuses = matches!(heard.status, Some(401 | 403));
        let mut auth = Step::skipped(
            Layer::Auth,
            if has_key {
                none
            } else {
                "no key is configured"
            },
        );
        if refuses && has_key {
            auth = Step::failed(
                Layer::Auth,
                Code::CredentialsRejected,
                format!("the route's key is refused ({})", status(&heard)),
                "Correct the route's auth.header.",
            );
        } else {
            "n/a".clone_into(&mut auth.cell);
        }
        let failed = auth.state == State::Failed;
        self.found.steps.push(auth);
        if !failed {
            let mut models = Step::skipped(Layer::Models, none);
            "n/a".clone_into(&mut models.cell);
            self.found.steps.push(models);
        }
    }

    async fn live(&mut self, kind: &'static Kind, credential: &Credential, model: Option<&str>) {
        let Some(model) = live::model_for(kind, model, &self.found.models) else {
            let why = "no model is configured or listed here";
            self.found.steps.push(Step::skipped(Layer::Live, why));
            return;
        };
        let place = Place {
            endpoint: &self.subject.endpoint,
            destination: self.destination,
            headers: &self.subject.headers,
            timers: &self.timers,
        };
        let (client, clock) = (&self.tools.client, &*self.tools.clock);
        let live = live::call(
            client,
            clock,
            place,
            kind,
            credential.secret.as_ref(),
            &model,
        )
        .await;
        match live {
            Live::Answered {
                first_token,
                took,
                limits,
            } => {
                if !limits.is_empty() {
                    self.found.limits = limits;
                }
                let text = format!(
                    "{model}: first token in {}, whole in {}, ended as it should",
                    shown(first_token),
                    shown(took)
                );
                self.pass(Layer::Live, Some(took), text, shown(first_token));
            }
            Live::Failed { evidence, took } => {
                let verdict = judge(&evidence);
                self.fail(Layer::Live, &verdict, took, Some(&model));
            }
        }
    }

    /// Time and limits that an answer tells.
    fn take_note(&mut self, heard: &Heard) {
        let now = i64::try_from(self.tools.clock.unix_millis() / 1000).unwrap_or(i64::MAX);
        self.found.clock_offset = heard.date.map(|date| date.saturating_sub(now));
        self.found.limits.clone_from(&heard.limits);
    }

    /// Every question has a deadline of its own.
    fn renew_timers(&mut self) {
        self.timers = asking::timers(&*self.tools.clock, &self.subject.timeouts, LONGEST);
    }

    fn pass(&mut self, layer: Layer, took: Option<Duration>, text: String, cell: String) {
        self.found.steps.push(Step {
            us: took.map(micros),
            ..Step::ok(layer, text, cell)
        });
    }

    fn fail(&mut self, layer: Layer, verdict: &Verdict, took: Duration, more: Option<&str>) {
        let mut text = brief(verdict);
        if let Some(more) = more {
            text = format!("{text}; {more}");
        }
        // The table's words are for any target; here there is one.
        let fix = verdict
            .code
            .facts()
            .fix
            .replace("host:port", &self.subject.endpoint.authority());
        self.found.steps.push(Step {
            us: Some(micros(took)),
            evidence: Some(verdict.full_line.clone()),
            ..Step::failed(layer, verdict.code, text, fix)
        });
    }

    fn warn(&mut self, finding: Finding) {
        self.found.notes.push(finding);
    }
}

/// The evidence without what only a machine wants: what was seen, and the names and places in it.
fn brief(verdict: &Verdict) -> String {
    let short = &verdict.evidence_line;
    let rest = verdict.full_line.strip_prefix(short.as_str());
    let parts = rest.unwrap_or_default().split("; ");
    let named = parts.filter(|part| part.starts_with("wanted ") || part.starts_with("location "));
    std::iter::once(short.as_str())
        .chain(named)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Codes that are about the key or the account behind it, and not about the way there.
fn is_of_the_key(code: Code) -> bool {
    matches!(
        code,
        Code::CredentialsRejected
            | Code::PermissionDenied
            | Code::QuotaExhausted
            | Code::RegionBlocked
    )
}

fn refusal(credential: &Credential, verdict: &Verdict) -> String {
    let hint = credential
        .secret
        .as_ref()
        .map(|secret| format!(" {}", secret.hint()))
        .unwrap_or_default();
    let what = match &credential.secret {
        Some(_) => format!("the key {}{hint} is refused", source(credential)),
        None => "it wants a key, and none is configured".to_owned(),
    };
    format!("{what}: {}", brief(verdict))
}

fn new_key(credential: &Credential, code: Code) -> String {
    match (code, &credential.secret) {
        (Code::CredentialsRejected, Some(_)) => {
            let place = source(credential);
            format!(
                "Set a working key in {}, then start goodgate again.",
                place.strip_prefix("in ").unwrap_or(place)
            )
        }
        (Code::CredentialsRejected, None) => "Give the provider an api_key.".to_owned(),
        _ => code.facts().fix.to_owned(),
    }
}

/// Where a key is from.
fn source(credential: &Credential) -> &str {
    if credential.source.is_empty() {
        credential.id.as_str()
    } else {
        &credential.source
    }
}

fn told(certificate: &Certificate) -> String {
    let names = match certificate.names.as_slice() {
        [] => certificate.subject.clone(),
        [first] => first.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    };
    format!(
        "certificate for {names} by {}, until {}",
        certificate.issuer,
        day(certificate.not_after)
    )
}

/// `2026-12-20`.
fn day(unix: i64) -> String {
    crate::spans::date(unix)
}

fn said_of(fault: &diagnosis::Fault, phase: Phase) -> String {
    let evidence = Evidence {
        phase,
        fault: Some(fault.clone()),
        ..Evidence::default()
    };
    judge(&evidence).evidence_line
}

fn status(heard: &Heard) -> String {
    heard
        .status
        .map_or_else(|| "no answer".to_owned(), |status| status.to_string())
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// `3ms`, `2.9s`; less than a millisecond is `<1ms`.
pub(crate) fn shown(time: Duration) -> String {
    match time.as_millis() {
        0 => "<1ms".to_owned(),
        millis @ 1..10_000 => format!("{millis}ms"),
        _ => format!("{}s", time.as_secs()),
    }
}
