//! Aliases: do their targets exist, can each be reached, and does the name hide another?

use std::collections::HashMap;
use std::sync::Arc;

use provider::catalog;
use resilience::balance::Strategy;
use types::NanoUsd;

use super::providers::{Known, line};
use super::{Aliases, Context, effort};
use crate::assemble::{DEMO, DEMO_MODELS, Parts};
use crate::file::{At, Effort, ModelFile, Named, TargetFile};
use crate::resolve;
use crate::snapshot::{ModelPolicy, Provider, Resilience, Sticky, Target};

/// What leaving a warm prompt cache may cost where nothing is written: two cents, the price of some ten thousand cached
/// tokens of a large model.
const USUAL_CACHE_LOSS: NanoUsd = NanoUsd::new(20_000_000);

/// Demo models that never answer: an alias may end at them, or pass them.
const NEVER_ANSWERS: &[&str] = &["down", "html-502"];

pub(super) fn compile(
    context: &Context<'_, '_>,
    written: &Named<ModelFile>,
    known: &Known,
    base: &Arc<Resilience>,
    demo: bool,
) -> Aliases {
    let mut aliases = HashMap::new();
    let names: Vec<&str> = written
        .0
        .iter()
        .map(|(name, _)| name.value.as_str())
        .collect();
    for (name, file) in &written.0 {
        if !super::is_good_name(&name.value) {
            context
                .reader
                .error("bad_name", &name.spot, "this cannot be an alias")
                .label("1 to 128 characters, no space");
            continue;
        }
        let effort = Arc::new(effort::resolved(context.reader, &file.effort, base));
        let targets = targets(context, name, file, known, &names, demo);
        check_reach(context, file, &effort);
        check_demo(context, file, demo);
        check_shadow(context, name, file, known);
        let made: Vec<Arc<Target>> = targets
            .iter()
            .map(|(provider, model, weight)| {
                let effort = narrowed(context, &file.effort, provider);
                Arc::new(Target {
                    weight: *weight,
                    ..resolve::target(provider, model, effort)
                })
            })
            .collect();
        check_prices(context, file, &made);
        // An alias of demo targets alone is completed when the demo provider is there.
        let policy = ModelPolicy {
            alias: Arc::from(name.value.as_str()),
            targets: made,
            strategy: strategy(file),
            sticky: sticky(context, file),
            resilience: effort,
            line: line(&name.spot),
        };
        aliases.insert(name.value.clone(), Arc::new(policy));
    }
    aliases
}

/// What holds at a provider, with what the alias says over it.
fn narrowed(context: &Context<'_, '_>, written: &Effort, provider: &Provider) -> Arc<Resilience> {
    // Its mistakes were told when the alias itself was resolved; the same text is not told twice.
    let quiet =
        crate::reader::Reader::new("", std::path::Path::new(""), context.reader.environment());
    Arc::new(effort::resolved(&quiet, written, &provider.resilience))
}

fn targets(
    context: &Context<'_, '_>,
    name: &At<String>,
    file: &ModelFile,
    known: &Known,
    aliases: &[&str],
    demo: bool,
) -> Vec<(Arc<Provider>, String, u32)> {
    let written = file.targets.as_deref().unwrap_or_default();
    // A list whose targets could not be read was told already.
    if !file.has_targets {
        context
            .reader
            .error(
                "missing_key",
                &name.spot,
                format!("model `{}` has no targets", name.value),
            )
            .label("write  targets: [provider/model]");
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut made = Vec::new();
    for TargetFile { at, weight } in written {
        let text = at.value.as_str();
        if seen.contains(&text) {
            context
                .reader
                .warning(
                    "duplicate_target",
                    &at.spot,
                    format!("`{text}` stands here twice"),
                )
                .help("attempts at one target are counted by retry: { max_attempts: … }");
            continue;
        }
        seen.push(text);
        let weight = weight.as_ref().map_or(1, |weight| weight.value);
        let found = target(context, at, known, aliases, demo);
        made.extend(found.map(|(provider, model)| (provider, model, weight)));
    }
    made
}

fn target(
    context: &Context<'_, '_>,
    at: &At<String>,
    known: &Known,
    aliases: &[&str],
    demo: bool,
) -> Option<(Arc<Provider>, String)> {
    let reader = context.reader;
    let text = at.value.as_str();
    let Some((provider, model)) = text.split_once('/').filter(|(_, model)| !model.is_empty())
    else {
        if aliases.contains(&text) {
            reader
                .error("alias_as_target", &at.spot, format!("`{text}` is an alias"))
                .label("a target is provider/model");
        } else {
            reader
                .error(
                    "unknown_provider",
                    &at.spot,
                    format!("`{text}` is no target"),
                )
                .label("a target is provider/model")
                .near(text, full_names(known).iter().map(String::as_str));
        }
        return None;
    };
    if provider == DEMO && demo {
        if !DEMO_MODELS.contains(&model) {
            reader
                .error(
                    "unknown_model",
                    &at.spot,
                    format!("there is no demo model `{model}`"),
                )
                .near(model, DEMO_MODELS.iter().copied());
        }
        return None;
    }
    let Some(found) = known.find(provider) else {
        if !known.names.iter().any(|name| name == provider) {
            let report = reader
                .error(
                    "unknown_provider",
                    &at.spot,
                    format!("there is no provider `{provider}`"),
                )
                .label("the part before the slash is the name of an entry under providers");
            let names = || known.names.iter().map(String::as_str);
            match crate::near::name(provider, names()) {
                Some(meant) => drop(report.help(format!("did you mean `{meant}/{model}`?"))),
                None if provider::kind(provider).is_some() => {
                    drop(report.help(format!("add  providers: {{ {provider}: {{}} }}")));
                }
                None => drop(report.help(format!(
                    "providers are: {}",
                    names().collect::<Vec<_>>().join(", ")
                ))),
            }
        }
        return None;
    };
    let is_listed = |listed: &crate::snapshot::ListedModel| listed.name.as_str() == model;
    if !found.models.is_empty() && !found.models.iter().any(is_listed) {
        let names = found.models.iter().map(|listed| listed.name.as_str());
        reader
            .error(
                "unknown_model",
                &at.spot,
                format!("provider `{provider}` does not list `{model}`"),
            )
            .label(format!("not among providers.{provider}.models"))
            .near(model, names);
        return None;
    }
    Some((found.clone(), model.to_owned()))
}

/// Every `provider/model` that is known, for near names.
fn full_names(known: &Known) -> Vec<String> {
    known
        .providers
        .iter()
        .flat_map(|provider| {
            let models: Vec<String> = if provider.models.is_empty() {
                catalog::models(provider.kind)
                    .into_iter()
                    .map(str::to_owned)
                    .collect()
            } else {
                let listed = provider.models.iter();
                listed.map(|model| model.name.to_string()).collect()
            };
            models
                .into_iter()
                .map(move |model| format!("{}/{model}", provider.id))
        })
        .collect()
}

fn strategy(file: &ModelFile) -> Strategy {
    file.strategy
        .as_ref()
        .map(|at| at.value)
        .unwrap_or_default()
}

fn sticky(context: &Context<'_, '_>, file: &ModelFile) -> Option<Sticky> {
    let loss = file.max_cache_loss.as_ref();
    if file.sticky.is_none() {
        if let Some(loss) = loss {
            context
                .reader
                .error(
                    "missing_key",
                    &loss.spot,
                    "max_cache_loss does nothing here",
                )
                .label("it belongs to  sticky: conversation");
        }
        return None;
    }
    Some(Sticky {
        max_cache_loss: loss.map_or(USUAL_CACHE_LOSS, |loss| loss.value),
    })
}

/// By price, a target without one is the last.
fn check_prices(context: &Context<'_, '_>, file: &ModelFile, made: &[Arc<Target>]) {
    if strategy(file) != Strategy::Cheapest {
        return;
    }
    for TargetFile { at, .. } in file.targets.iter().flatten() {
        let found = made.iter().find(|target| *target.label == *at.value);
        if found.is_some_and(|target| target.price.is_none()) {
            context
                .reader
                .warning(
                    "unknown_price",
                    &at.spot,
                    format!("the price of `{}` is not known", at.value),
                )
                .label("by `strategy: cheapest` it is used last")
                .help("write it under its provider  models: { NAME: { price: { input: …, output: … } } }");
        }
    }
}

/// Targets past the last one that can be tried.
fn check_reach(context: &Context<'_, '_>, file: &ModelFile, effort: &Resilience) {
    // By any other strategy each target may be the first.
    if strategy(file) != Strategy::Ordered {
        return;
    }
    let reach = effort.max_targets.min(effort.max_attempts);
    let reach = usize::try_from(reach).unwrap_or(usize::MAX);
    let limit = if effort.max_targets <= effort.max_attempts {
        format!("max_targets: {}", effort.max_targets)
    } else {
        format!("max_attempts: {}", effort.max_attempts)
    };
    for TargetFile { at, .. } in file.targets.iter().flatten().skip(reach) {
        context
            .reader
            .warning(
                "unused_target",
                &at.spot,
                format!("`{}` is never tried", at.value),
            )
            .label(format!("`{limit}` ends before it"))
            .help("raise retry.max_targets and retry.max_attempts, or remove it");
    }
}

/// A real alias that ends at scripted text.
fn check_demo(context: &Context<'_, '_>, file: &ModelFile, demo: bool) {
    let targets = || file.targets.iter().flatten().map(|one| &one.at);
    let demo_model = |at: &At<String>| {
        at.value
            .strip_prefix(DEMO)
            .and_then(|rest| rest.strip_prefix('/'))
            .map(str::to_owned)
    };
    if !demo || targets().all(|at| demo_model(at).is_some()) {
        return;
    }
    for at in targets() {
        let answers = demo_model(at).is_some_and(|model| !NEVER_ANSWERS.contains(&model.as_str()));
        if answers {
            context
                .reader
                .error(
                    "demo_as_fallback",
                    &at.spot,
                    format!("`{}` would answer", at.value),
                )
                .label("scripted text in place of a model's answer")
                .help("remove it, or make an alias of demo targets alone");
        }
    }
}

/// An alias that hides a model of the same name, unless it begins with that very model.
fn check_shadow(context: &Context<'_, '_>, name: &At<String>, file: &ModelFile, known: &Known) {
    let alias = name.value.as_str();
    let hidden = known.providers.iter().find_map(|provider| {
        let model = alias
            .split_once('/')
            .filter(|(first, _)| *first == provider.id.as_str())
            .map_or(alias, |(_, model)| model);
        let is_direct = model.len() != alias.len();
        let has = provider
            .models
            .iter()
            .any(|listed| listed.name.as_str() == model)
            || (provider.models.is_empty() && catalog::model(provider.kind, model).is_some());
        (is_direct || has).then(|| format!("{}/{model}", provider.id))
    });
    let Some(hidden) = hidden else {
        return;
    };
    let first = file.targets.iter().flatten().next();
    if first.is_some_and(|first| first.at.value == hidden) {
        return;
    }
    context
        .reader
        .warning(
            "alias_shadows",
            &name.spot,
            format!("alias `{alias}` hides {hidden}"),
        )
        .label("clients that ask for that model get this alias")
        .help(format!("rename it, or write {hidden} as its first target"));
}

/// Completes aliases of demo targets, now that the demo provider is there.
pub(super) fn point_at_demo(parts: &mut Parts, written: &Named<ModelFile>) {
    let Some(demo) = parts
        .providers
        .iter()
        .find(|provider| provider.id.as_str() == DEMO)
        .cloned()
    else {
        return;
    };
    for (name, file) in &written.0 {
        let Some(policy) = parts.models.get(&name.value) else {
            continue;
        };
        let mut rest = policy.targets.iter().cloned();
        let targets: Vec<Arc<Target>> = file
            .targets
            .iter()
            .flatten()
            .filter_map(|one| match one.at.value.strip_prefix("demo/") {
                Some(model) => Some(Arc::new(Target {
                    weight: one.weight.as_ref().map_or(1, |weight| weight.value),
                    ..resolve::target(&demo, model, policy.resilience.clone())
                })),
                None => rest.next(),
            })
            .collect();
        let completed = ModelPolicy {
            alias: policy.alias.clone(),
            targets,
            strategy: policy.strategy,
            sticky: policy.sticky,
            resilience: policy.resilience.clone(),
            line: policy.line,
        };
        parts.models.insert(name.value.clone(), Arc::new(completed));
    }
}
