//! From the name in a call's `model` to its targets: one or two look-ups in tables made when the snapshot was.

use std::collections::HashMap;
use std::sync::Arc;

use resilience::balance::Strategy;
use types::{ModelName, ProviderId};

use crate::near;
use crate::snapshot::{ModelPolicy, Provider, Snapshot, Target};

/// What a name stands for.
pub type Resolved = Arc<ModelPolicy>;

/// A name that stands for nothing, and what may have been meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unresolved {
    /// Names that look like it, the nearest first.
    pub near: Vec<String>,
    /// `provider/model` names when several providers have a model of that name.
    pub candidates: Vec<String>,
}

/// At most this many near names and candidates are told.
const MAX_TOLD: usize = 5;

/// The tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// Aliases, known `provider/model` names, and bare names of models that exactly one provider has.
    known: HashMap<Arc<str>, Arc<ModelPolicy>>,
    /// Bare names that several providers have.
    several: HashMap<String, Vec<String>>,
}

impl Index {
    /// Tables over the aliases and over the models of each provider.
    pub(crate) fn build(
        providers: &[Arc<Provider>],
        models: &HashMap<String, Arc<ModelPolicy>>,
        listed: &HashMap<ProviderId, Vec<String>>,
    ) -> Self {
        let mut known: HashMap<Arc<str>, Arc<ModelPolicy>> = HashMap::new();
        let mut owners: HashMap<String, Vec<Arc<ModelPolicy>>> = HashMap::new();
        for provider in providers {
            for name in names_of(provider, listed.get(&provider.id)) {
                let policy = direct(provider, &name, Named::Yes);
                known.insert(policy.alias.clone(), policy.clone());
                owners.entry(name).or_default().push(policy);
            }
        }
        let mut several = HashMap::new();
        for (name, policies) in owners {
            match policies.as_slice() {
                // A model's own name may hold a slash and then look like `provider/model`: that one wins.
                [only] => {
                    known
                        .entry(Arc::from(name.as_str()))
                        .or_insert_with(|| only.clone());
                }
                _ => {
                    let labels = policies.iter().map(|policy| policy.alias.to_string());
                    several.insert(name, labels.collect());
                }
            }
        }
        for (alias, policy) in models {
            several.remove(alias);
            known.insert(Arc::from(alias.as_str()), policy.clone());
        }
        Self { known, several }
    }
}

/// The names of a provider's models, each once: those that the configuration lists, else those it was seen to have,
/// else those of the catalogue.
fn names_of(provider: &Provider, seen: Option<&Vec<String>>) -> Vec<String> {
    let mut names: Vec<String> = if !provider.models.is_empty() {
        provider
            .models
            .iter()
            .map(|model| model.name.to_string())
            .collect()
    } else if let Some(seen) = seen {
        seen.clone()
    } else {
        provider::catalog::models(provider.kind)
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    names.sort_unstable();
    names.dedup();
    names
}

/// The policy of `provider/model` itself: one target, all its attempts.
fn direct(provider: &Arc<Provider>, model: &str, named: Named) -> Arc<ModelPolicy> {
    let target = Arc::new(Target {
        is_named: named == Named::Yes,
        ..target(provider, model, provider.resilience.clone())
    });
    Arc::new(ModelPolicy {
        alias: target.label.clone(),
        resilience: target.resilience.clone(),
        targets: vec![target],
        strategy: Strategy::Ordered,
        sticky: None,
        line: provider.line,
    })
}

/// Whether anybody but a caller names a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Yes,
    No,
}

/// A target with all that is known of its model.
pub(crate) fn target(
    provider: &Arc<Provider>,
    model: &str,
    mut resilience: Arc<crate::snapshot::Resilience>,
) -> Target {
    let listed = provider
        .models
        .iter()
        .find(|listed| listed.name.as_str() == model);
    if let Some(most) = listed.and_then(|one| one.max_concurrency) {
        Arc::make_mut(&mut resilience).guards.concurrency.max = Some(most);
    }
    let upstream = listed.map_or_else(|| ModelName::new(model), |one| one.upstream.clone());
    let known = provider::catalog::model(provider.kind, upstream.as_str());
    Target {
        provider: provider.clone(),
        label: Arc::from(format!("{}/{model}", provider.id)),
        resilience,
        price: listed
            .and_then(|one| one.price)
            .or_else(|| known.map(|one| one.price)),
        max_output: listed
            .and_then(|one| one.max_output)
            .or_else(|| known.and_then(|one| one.max_output)),
        context: listed
            .and_then(|one| one.context)
            .or_else(|| known.and_then(|one| one.context)),
        model: upstream,
        weight: 1,
        is_named: true,
    }
}

impl Snapshot {
    /// What a model's name stands for: an alias, `provider/model` (any model of a configured provider), or the bare
    /// name of a model that exactly one provider has.
    ///
    /// # Errors
    /// When it stands for nothing, or for models of several providers.
    pub fn resolve(&self, name: &str) -> Result<Resolved, Unresolved> {
        if let Some(policy) = self.index.known.get(name) {
            return Ok(policy.clone());
        }
        if let Some((provider, model)) = name.split_once('/')
            && let Some(provider) = self.providers.get(provider)
            && !model.is_empty()
            && provider.models.is_empty()
        {
            return Ok(direct(provider, model, Named::No));
        }
        Err(self.unresolved(name))
    }

    fn unresolved(&self, name: &str) -> Unresolved {
        if let Some(candidates) = self.index.several.get(name) {
            let mut candidates = candidates.clone();
            candidates.sort_unstable();
            candidates.truncate(MAX_TOLD);
            return Unresolved {
                near: Vec::new(),
                candidates,
            };
        }
        Unresolved {
            near: near::names(name, self.index.known.keys().map(AsRef::as_ref), MAX_TOLD),
            candidates: Vec::new(),
        }
    }

    /// The names that `/v1/models` lists: aliases, then every known `provider/model`; sorted.
    #[must_use]
    pub fn model_names(&self) -> Vec<(&str, &Arc<ModelPolicy>)> {
        let mut names: Vec<_> = self
            .index
            .known
            .iter()
            .filter(|(name, policy)| {
                **name == policy.alias || self.models.contains_key(name.as_ref())
            })
            .map(|(name, policy)| (name.as_ref(), policy))
            .collect();
        names.sort_unstable_by_key(|(name, _)| (!self.models.contains_key(*name), *name));
        names
    }

    /// The same policy, with the models that providers were seen to have in place of the catalogue's.
    #[must_use]
    pub fn with_listed(mut self, listed: &HashMap<ProviderId, Vec<String>>) -> Self {
        let providers: Vec<_> = self.providers_in_order().cloned().collect();
        self.index = Index::build(&providers, &self.models, listed);
        self
    }
}
