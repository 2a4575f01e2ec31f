//! `init`: a commented goodgate.yaml of what this machine has.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use config::{Discovery, Environment, Timeouts};
use provider::{Endpoint, Kind};
use types::{Clock, SystemClock};
use upstream::{Client, ClientOptions, Resolver, ResolverOptions};

use crate::asking::{self, Place};
use crate::{exit, output};

/// How long a server that may run here is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Names of models that are good for a start: small and cheap.
const CHEAP: [&str; 5] = ["mini", "haiku", "flash", "small", "nano"];

/// What `init` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where to write it; `-` prints it.
    #[arg(short, long, value_name = "FILE", default_value = "goodgate.yaml")]
    output: PathBuf,
    /// Overwrite a file that is there.
    #[arg(long)]
    force: bool,
}

/// A provider that was found.
struct Found {
    name: String,
    /// Members of its entry.
    members: String,
    comment: String,
    model: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let environment = Environment::capture();
    let discovery = config::discover(&environment, None);
    let (found, missing) = look_around(discovery);
    let text = file(&found, &missing);
    if arguments.output.as_os_str() == "-" {
        output::result(&text);
        return ExitCode::SUCCESS;
    }
    let path = arguments.output.display();
    let mut options = OpenOptions::new();
    options.write(true);
    if arguments.force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let written = options
        .open(&arguments.output)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => {
            output::talk(&format!(
                "{path} is written: {}. Next: goodgate check, then goodgate serve\n",
                match found.len() {
                    0 => "no provider was found, so the demo models are on".to_owned(),
                    1 => "1 provider".to_owned(),
                    count => format!("{count} providers"),
                }
            ));
            ExitCode::SUCCESS
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            output::talk(&format!(
                "goodgate: {path} exists: --force overwrites it, -o FILE writes another\n"
            ));
            ExitCode::from(exit::FAILURE)
        }
        Err(error) => {
            output::talk(&format!("goodgate: {path} cannot be written: {error}\n"));
            ExitCode::from(exit::FAILURE)
        }
    }
}

/// Providers with a key, servers that answer, and variables that are not set.
fn look_around(discovery: Discovery) -> (Vec<Found>, Vec<(&'static Kind, &'static str)>) {
    let mut found = Vec::new();
    for provider in discovery.snapshot.providers_in_order() {
        let Some(fact) = discovery
            .found
            .iter()
            .find(|fact| fact.provider == provider.id)
        else {
            continue;
        };
        let kind = provider.kind;
        if !kind.needs_key() {
            continue;
        }
        let own = provider::request::endpoint(kind, None).ok();
        let members = if own.as_ref() == Some(&provider.endpoint) {
            String::new()
        } else {
            format!("base_url: \"{}\"", provider.endpoint.url())
        };
        let hint = fact.key_hint.as_deref().unwrap_or_default();
        found.push(Found {
            name: provider.id.as_str().to_owned(),
            members,
            comment: format!("its key is read from {} ({hint})", fact.source),
            model: cheap(provider::catalog::models(kind).into_iter()),
        });
    }
    for candidate in &discovery.candidates {
        let Some(models) = models_of(candidate.kind, &candidate.endpoint) else {
            continue;
        };
        let name = candidate.provider.as_str();
        found.push(Found {
            name: name.to_owned(),
            members: format!("base_url: \"{}\"", candidate.endpoint.url()),
            comment: format!("answers on {}", candidate.address),
            model: cheap(models.iter().map(String::as_str)),
        });
    }
    (found, discovery.missing)
}

fn cheap<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut first = None;
    for name in names {
        if CHEAP.iter().any(|word| name.contains(word)) {
            return Some(name.to_owned());
        }
        first = first.or(Some(name));
    }
    first.map(str::to_owned)
}

/// The models of a server that may run here; `None` where nothing answers.
fn models_of(kind: &'static Kind, endpoint: &Endpoint) -> Option<Vec<String>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let resolver = Resolver::new(ResolverOptions::default(), Arc::clone(&clock));
    let client = Client::new(ClientOptions::new(Arc::new(resolver), Arc::clone(&clock)));
    let destination = asking::destination(endpoint, &config::TlsSettings::default()).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let timers = asking::timers(&*clock, &Timeouts::default(), PATIENCE);
    let place = Place {
        endpoint,
        destination: &destination,
        headers: &[],
        timers: &timers,
    };
    let asked = asking::models(&client, &*clock, place, kind, None);
    runtime.block_on(asked).models
}

fn file(found: &[Found], missing: &[(&'static Kind, &'static str)]) -> String {
    let mut out = String::from(
        "# goodgate.yaml, made by `goodgate init` of what this machine has. Every key: docs/reference/config.md.\n\
         # For editors: goodgate config schema > goodgate.schema.json, and then this line:\n\
         # yaml-language-server: $schema=./goodgate.schema.json\n\n",
    );
    if found.is_empty() {
        out.push_str(
            "# No provider was found: the scripted demo models answer. Take this out once there is a real one.\ndemo: true\n\n",
        );
    }
    if found.is_empty() {
        out.push_str("# providers:\n");
    } else {
        out.push_str("providers:\n");
    }
    for one in found {
        let entry = match one.members.as_str() {
            "" => "{}".to_owned(),
            members => format!("{{ {members} }}"),
        };
        out.push_str(&padded(&format!("  {}: {entry}", one.name), &one.comment));
    }
    for (kind, variable) in missing {
        let entry = format!("  # {}: {{}}", kind.name);
        out.push_str(&padded(&entry, &format!("{variable} is not set")));
    }
    let targets: Vec<String> = found
        .iter()
        .filter_map(|one| Some(format!("{}/{}", one.name, one.model.as_ref()?)))
        .collect();
    if !targets.is_empty() {
        out.push_str(
            "\n# What callers ask for, and where it goes: tried in this order.\nmodels:\n",
        );
        out.push_str(&format_targets(&targets));
    }
    out.push_str(
        "\n# How hard is tried; these are the defaults.\n# resilience:\n\
         #   retry: { max_attempts: 4, budget: 20% }\n\
         #   timeout: { connect: 3s, total: 300s }\n\
         \n# Prompts and answers are never stored; what is known of each call is kept for so long.\n\
         # storage: { retain: { metadata: 30d } }\n",
    );
    out
}

fn format_targets(targets: &[String]) -> String {
    let quoted: Vec<String> = targets.iter().map(|name| format!("\"{name}\"")).collect();
    format!("  smart: {{ targets: [{}] }}\n", quoted.join(", "))
}

fn padded(entry: &str, comment: &str) -> String {
    format!("{entry:<40} # {comment}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)]) -> (String, config::Snapshot) {
        let environment = Environment::from_pairs(pairs.iter().copied());
        let mut discovery = config::discover(&environment, None);
        // Whatever runs on this machine is none of the test's business.
        discovery.candidates.clear();
        let (found, missing) = look_around(discovery);
        let text = file(&found, &missing);
        let source = config::Source {
            text: text.clone(),
            path: "goodgate.yaml".into(),
        };
        let loaded = config::load(&source, &environment).unwrap_or_else(|errors| {
            panic!("{errors:?}\n{text}");
        });
        assert!(loaded.warnings.is_empty(), "{:?}\n{text}", loaded.warnings);
        (text, loaded.snapshot)
    }

    #[test]
    fn what_is_written_is_valid_and_holds_no_key() {
        let (text, snapshot) = check(&[
            ("OPENAI_API_KEY", "sk-0123456789abcdef"),
            ("ANTHROPIC_API_KEY", "sk-ant-0123456789"),
        ]);
        assert!(!text.contains("sk-0123456789abcdef"), "{text}");
        assert!(text.contains("OPENAI_API_KEY (…cdef)"), "{text}");
        assert!(text.contains("# MISTRAL_API_KEY is not set"), "{text}");
        assert_eq!(snapshot.models["smart"].targets.len(), 2);
        assert!(!snapshot.demo);
    }

    #[test]
    fn without_any_provider_the_demo_models_are_on() {
        let (_, snapshot) = check(&[]);
        assert!(snapshot.demo);
    }
}
