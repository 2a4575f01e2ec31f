//! Decides what depends on each other: thinking, the most tokens, temperature.

use crate::anthropic_messages::wire::Thinking;
use crate::canonical::{Block, Call, Reasoning, ReasoningEffort, Role, ToolChoice};
use crate::carry::Losses;
use crate::{Encoding, ThinkingStyle};

/// The most tokens to answer with where neither the call nor the target's record says: every model can give so many.
const MAX_TOKENS: u64 = 4_096;

/// The least budget for thinking. Source: Anthropic's `ThinkingConfigEnabled`, seen 2026-11.
const LEAST_BUDGET: u64 = 1_024;

/// What was decided.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) max_tokens: u64,
    pub(crate) thinking: Option<Thinking>,
    pub(crate) effort: Option<&'static str>,
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) top_k: Option<u64>,
}

impl Plan {
    /// Whether the model thinks.
    pub(crate) fn thinks(&self) -> bool {
        matches!(
            self.thinking,
            Some(Thinking::Enabled { .. } | Thinking::Adaptive)
        )
    }
}

/// Decides.
pub(crate) fn plan(
    call: &Call,
    encoding: &Encoding<'_>,
    version: &str,
    losses: &mut Losses,
) -> Plan {
    let max_tokens = call
        .max_output
        .or(encoding.max_output_default)
        .unwrap_or(MAX_TOKENS)
        .max(1);
    let mut plan = Plan {
        max_tokens,
        ..Plan::default()
    };
    think(call, encoding, &mut plan, losses);
    draw(call, encoding, version, &mut plan, losses);
    for (field, value) in [
        ("frequency_penalty", call.sampling.frequency_penalty),
        ("presence_penalty", call.sampling.presence_penalty),
    ] {
        if value.is_some_and(|value| value != 0.0) {
            losses.note(field, "Anthropic has no such parameter");
        }
    }
    if call.sampling.seed.is_some() {
        losses.note("seed", "Anthropic has no such parameter");
    }
    plan
}

fn think(call: &Call, encoding: &Encoding<'_>, plan: &mut Plan, losses: &mut Losses) {
    let Some(reasoning) = &call.reasoning else {
        return;
    };
    if *reasoning == Reasoning::Off {
        match encoding.thinking {
            ThinkingStyle::Budget => {}
            // Only models that think by themselves need to be told.
            ThinkingStyle::Adaptive | ThinkingStyle::AdaptiveOnly => {
                plan.thinking = Some(Thinking::Disabled);
            }
            ThinkingStyle::Always => {
                losses.note("reasoning_effort", "this model cannot be told not to think");
            }
        }
        return;
    }
    if let Some(why) = cannot_think(call, encoding.thinking) {
        losses.note("reasoning_effort", why);
        return;
    }
    match (encoding.thinking, reasoning) {
        (
            style @ (ThinkingStyle::Adaptive | ThinkingStyle::AdaptiveOnly | ThinkingStyle::Always),
            _,
        ) => {
            plan.thinking = Some(Thinking::Adaptive);
            let effort = match reasoning {
                Reasoning::Effort(effort) => Some(*effort),
                Reasoning::Budget(tokens) => Some(crate::carry::effort_of_budget(*tokens)),
                Reasoning::Adaptive | Reasoning::Off => None,
            };
            plan.effort = effort.map(|effort| effort_word(effort, style, losses));
        }
        (ThinkingStyle::Budget, Reasoning::Effort(effort)) => {
            enable(budget(*effort), encoding, plan)
        }
        (ThinkingStyle::Budget, Reasoning::Budget(tokens)) => enable(*tokens, encoding, plan),
        (ThinkingStyle::Budget, Reasoning::Adaptive | Reasoning::Off) => {
            enable(budget(ReasoningEffort::Medium), encoding, plan);
        }
    }
}

/// Thinking counts towards the most tokens and must leave room for the answer.
fn enable(budget: u64, encoding: &Encoding<'_>, plan: &mut Plan) {
    let mut budget_tokens = budget.max(LEAST_BUDGET);
    if plan.max_tokens <= budget_tokens {
        plan.max_tokens = plan.max_tokens.saturating_add(budget_tokens);
    }
    if let Some(most) = encoding
        .max_output_default
        .filter(|most| plan.max_tokens > *most && *most > LEAST_BUDGET)
    {
        plan.max_tokens = most;
        budget_tokens = budget_tokens.min(most / 2).max(LEAST_BUDGET);
    }
    plan.thinking = Some(Thinking::Enabled { budget_tokens });
}

/// Why a call that asks for thinking must go without, if so.
fn cannot_think(call: &Call, style: ThinkingStyle) -> Option<&'static str> {
    if matches!(
        call.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_))
    ) && !call.tools.is_empty()
    {
        return Some(
            "Anthropic cannot think when a tool must be called: thinking is off for this call",
        );
    }
    let last = call
        .turns
        .iter()
        .rposition(|turn| turn.role == Role::Assistant)?;
    let turn = call.turns.get(last)?;
    let sealed = turn.content.first().is_some_and(|block| match block {
        Block::Thinking(thinking) => thinking.signature.is_some() || thinking.redacted.is_some(),
        _ => false,
    });
    let after = call.turns.get(last + 1..).unwrap_or_default();
    if after.iter().any(|turn| turn.role == Role::Tool) && !sealed && style == ThinkingStyle::Budget
    {
        return Some(
            "the thinking before the tool's result did not come back with its signature: thinking is off for this call",
        );
    }
    after.is_empty().then_some(
        "Anthropic cannot think when the answer is begun for it: thinking is off for this call",
    )
}

fn budget(effort: ReasoningEffort) -> u64 {
    match effort {
        ReasoningEffort::Minimal => LEAST_BUDGET,
        ReasoningEffort::Low => 2_048,
        ReasoningEffort::Medium => 8_192,
        ReasoningEffort::High => 16_384,
        ReasoningEffort::Xhigh | ReasoningEffort::Max => 32_768,
    }
}

/// Source: Anthropic, "Effort": `xhigh` is of Claude 4.7 and later, seen 2026-11.
fn effort_word(effort: ReasoningEffort, style: ThinkingStyle, losses: &mut Losses) -> &'static str {
    match effort {
        ReasoningEffort::Minimal => "low",
        ReasoningEffort::Xhigh if style == ThinkingStyle::Adaptive => {
            losses.note(
                "reasoning_effort",
                "this model knows no `xhigh`: `high` was sent",
            );
            "high"
        }
        other => other.as_str(),
    }
}

fn draw(call: &Call, encoding: &Encoding<'_>, version: &str, plan: &mut Plan, losses: &mut Losses) {
    let sampling = &call.sampling;
    let top_p = sampling.top_p.filter(|top_p| *top_p < 1.0);
    let mut refuse = |why: &'static str| {
        for (field, given) in [
            (
                "temperature",
                sampling
                    .temperature
                    .is_some_and(|temperature| (temperature - 1.0).abs() > f64::EPSILON),
            ),
            ("top_p", top_p.is_some()),
            ("top_k", sampling.top_k.is_some()),
        ] {
            if given {
                losses.note(field, why);
            }
        }
    };
    // Versions are dates and compare as texts.
    if version >= "2026-10-21" {
        return refuse("this version of Anthropic's API refuses it");
    }
    if matches!(
        encoding.thinking,
        ThinkingStyle::AdaptiveOnly | ThinkingStyle::Always
    ) {
        return refuse("Anthropic's newer models refuse it");
    }
    if plan.thinks() {
        return refuse("Anthropic refuses it while the model thinks");
    }
    plan.top_k = sampling.top_k;
    let Some(temperature) = sampling.temperature else {
        plan.top_p = top_p;
        return;
    };
    if !(0.0..=1.0).contains(&temperature) {
        losses.note(
            "temperature",
            "Anthropic's goes from 0 to 1: the nearest value was sent",
        );
    }
    plan.temperature = Some(temperature.clamp(0.0, 1.0));
    if top_p.is_some() {
        losses.note(
            "top_p",
            "Anthropic's newer models refuse it beside temperature, which was sent",
        );
    }
}
