//! The demo models: what they do is in their name, and depends on nothing but the request itself.
//!
//! `flaky-502` looks at `x-goodgate-attempt` and keeps no count, so that parallel calls do not disturb each other.

use std::time::Duration;

use crate::faults::{BodyLie, Fault, Point, StreamLie, catalogue};
use crate::models::Style;

/// A demo model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoModel {
    /// Its name: the last segment of the model that is asked for.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
}

/// All demo models.
pub const MODELS: &[DemoModel] = &[
    DemoModel {
        name: "echo",
        about: "Answers with what was said.",
    },
    DemoModel {
        name: "flaky-502",
        about: "Answers the first attempt (x-goodgate-attempt: 1, or none) with an HTML 502, later ones well.",
    },
    DemoModel {
        name: "slow",
        about: "Waits before it answers, and streams a word every 300 ms.",
    },
    DemoModel {
        name: "rate-limited",
        about: "Answers 429 with retry-after, always.",
    },
    DemoModel {
        name: "html-502",
        about: "Answers with an HTML 502, always.",
    },
    DemoModel {
        name: "cut-stream",
        about: "Ends a stream after some words without its terminal event, and cuts whole answers.",
    },
    DemoModel {
        name: "down",
        about: "Answers 503, always.",
    },
];

/// The demo model that a name asks for: what comes after its last `/`.
#[must_use]
pub fn find(model: &str) -> Option<&'static DemoModel> {
    let name = last_segment(model);
    MODELS.iter().find(|model| model.name == name)
}

/// What a demo model does to a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Behaviour {
    pub(crate) faults: Vec<Fault>,
    pub(crate) name: Option<String>,
    pub(crate) pace: Option<Duration>,
}

/// What the model's name says: a demo model's faults, or those of `fault:NAME`.
pub(crate) fn behaviour(model: &str, style: Style, attempt: u32) -> Behaviour {
    let last = last_segment(model);
    if let Some(name) = last.strip_prefix("fault:") {
        return named(name);
    }
    let own = match style {
        Style::All => "openai",
        style => style.name(),
    };
    match last {
        "flaky-502" if attempt > 1 => Behaviour::default(),
        "flaky-502" | "html-502" => named("html-502"),
        "down" => named(&format!("{own}-service-unavailable")),
        "rate-limited" if style == Style::Mistral => named("mistral-rate-limited-hint"),
        "rate-limited" => named(&format!("{own}-rate-limited")),
        "slow" => Behaviour {
            faults: vec![Fault::Delay {
                at: Point::BeforeHead,
                ms: 1000,
            }],
            name: Some("slow".to_owned()),
            pace: Some(Duration::from_millis(300)),
        },
        "cut-stream" => Behaviour {
            faults: vec![
                Fault::Stream {
                    lie: StreamLie::NoTerminal,
                },
                // Strikes only what is not a stream.
                Fault::Body {
                    lie: BodyLie::CutJson,
                },
            ],
            name: Some("cut-stream".to_owned()),
            pace: None,
        },
        _ => Behaviour::default(),
    }
}

/// A fault of the catalogue.
pub(crate) fn named(name: &str) -> Behaviour {
    catalogue::find(name).map_or_else(Behaviour::default, |entry| Behaviour {
        faults: vec![entry.fault.clone()],
        name: Some(entry.name.clone()),
        pace: None,
    })
}

fn last_segment(model: &str) -> &str {
    model.rsplit('/').next().unwrap_or(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_demo_model_that_fails_has_its_fault_in_every_style() {
        for style in [
            Style::OpenAi,
            Style::Anthropic,
            Style::Gemini,
            Style::Mistral,
        ] {
            for model in MODELS {
                let behaviour = behaviour(&format!("demo/{}", model.name), style, 1);
                let fails = model.name != "echo";
                assert_eq!(behaviour.name.is_some(), fails, "{style:?} {}", model.name);
            }
            assert!(behaviour("demo/flaky-502", style, 2).faults.is_empty());
        }
    }
}
