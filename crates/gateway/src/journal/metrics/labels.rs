//! Which targets get a label of their own. Callers name models, too: a name becomes a label only when the configuration
//! or the catalogue has it, or when it has answered; all others share one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use config::Snapshot;
use parking_lot::Mutex;

/// Labels of targets that were learnt from answers, at most: as many as the registry keeps states.
const MOST_LEARNT: usize = resilience::registry::MOST_STATES;

/// What targets that nobody knows are counted under.
pub(super) const OTHERS: &str = "(others)";

/// The names that may be labels; one for the process.
#[derive(Debug, Default)]
pub struct Labels {
    known: ArcSwap<Known>,
    learnt: Mutex<HashSet<Arc<str>>>,
}

#[derive(Debug, Default)]
struct Known {
    targets: HashSet<Arc<str>>,
    /// Providers by name, and what OpenTelemetry calls theirs.
    providers: HashMap<String, &'static str>,
}

/// A target's label and what it says.
#[derive(Clone, Debug)]
pub(super) struct TargetLabel {
    pub(super) target: Arc<str>,
    /// The provider's name in OpenTelemetry's vocabulary; none for upstreams of plain routes.
    pub(super) provider: Option<&'static str>,
}

impl TargetLabel {
    /// The model's name there.
    pub(super) fn model(&self) -> &str {
        self.target
            .split_once('/')
            .map_or(&*self.target, |(_, model)| model)
    }
}

impl Labels {
    /// The names of a snapshot.
    #[must_use]
    pub fn knowing(snapshot: &Snapshot) -> Arc<Self> {
        let labels = Self::default();
        labels.know(snapshot);
        Arc::new(labels)
    }

    /// Takes the names of a snapshot that comes into force.
    pub fn know(&self, snapshot: &Snapshot) {
        let models = snapshot.model_names();
        let targets = models
            .iter()
            .flat_map(|(_, policy)| &policy.targets)
            .map(|target| Arc::clone(&target.label));
        let upstreams = snapshot
            .routes
            .iter()
            .flat_map(|route| &route.upstreams)
            .map(|upstream| Arc::clone(&upstream.label));
        let providers = snapshot
            .providers
            .iter()
            .map(|(id, provider)| (id.to_string(), opentelemetry_name(provider.kind.name)));
        self.known.store(Arc::new(Known {
            targets: targets.chain(upstreams).collect(),
            providers: providers.collect(),
        }));
    }

    #[cfg(test)]
    pub(super) fn know_for_tests(
        &self,
        targets: &[&str],
        providers: &[(&'static str, &'static str)],
    ) {
        self.known.store(Arc::new(Known {
            targets: targets.iter().map(|target| Arc::from(*target)).collect(),
            providers: providers
                .iter()
                .map(|(id, name)| ((*id).to_owned(), *name))
                .collect(),
        }));
    }

    /// The label of a target, which is its own or that of the others. Looked up once for each name and worker.
    pub(super) fn label(&self, target: &Arc<str>, answered: bool) -> TargetLabel {
        let known = self.known.load();
        let own = known.targets.contains(target) || self.learn(target, answered);
        let provider = target
            .split_once('/')
            .and_then(|(provider, _)| known.providers.get(provider).copied());
        if own {
            return TargetLabel {
                target: Arc::clone(target),
                provider,
            };
        }
        TargetLabel {
            target: Arc::from(OTHERS),
            provider: None,
        }
    }

    /// A target's provider in OpenTelemetry's vocabulary; none for upstreams of plain routes.
    pub(in crate::journal) fn provider(&self, target: &str) -> Option<&'static str> {
        let (provider, _) = target.split_once('/')?;
        self.known.load().providers.get(provider).copied()
    }

    /// Whether a target has a label of its own.
    pub(in crate::journal) fn is_own(&self, target: &Arc<str>) -> bool {
        self.known.load().targets.contains(target) || self.learnt.lock().contains(target)
    }

    fn learn(&self, target: &Arc<str>, answered: bool) -> bool {
        let mut learnt = self.learnt.lock();
        if learnt.contains(target) {
            return true;
        }
        let taken = answered && learnt.len() < MOST_LEARNT;
        if taken {
            learnt.insert(Arc::clone(target));
        }
        taken
    }
}

/// A kind's name as `gen_ai.provider.name` has it. Source: OpenTelemetry semantic conventions, GenAI attributes, seen
/// 2026-11. Kinds that are not in its list keep our name, as it asks.
pub(in crate::journal) fn opentelemetry_name(kind: &'static str) -> &'static str {
    match kind {
        "gemini" => "gcp.gemini",
        "vertex" => "gcp.vertex_ai",
        "azure" => "azure.ai.openai",
        "bedrock" => "aws.bedrock",
        "mistral" => "mistral_ai",
        "xai" => "x_ai",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_knows_becomes_a_label_when_it_has_answered() {
        let labels = Labels::default();
        let name: Arc<str> = Arc::from("openai/gpt-made-up");
        assert_eq!(&*labels.label(&name, false).target, OTHERS);
        assert_eq!(labels.label(&name, true).target, name);
        assert_eq!(labels.label(&name, false).target, name);
        assert_eq!(labels.label(&name, false).model(), "gpt-made-up");
    }

    #[test]
    fn learnt_names_are_bounded() {
        let labels = Labels::default();
        for number in 0..MOST_LEARNT {
            let name = Arc::from(format!("a/{number}"));
            assert_ne!(&*labels.label(&name, true).target, OTHERS);
        }
        let one_more = Arc::from("a/one-more");
        assert_eq!(&*labels.label(&one_more, true).target, OTHERS);
    }
}
