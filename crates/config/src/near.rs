//! Did you mean: the known names that a wrong one is likely to stand for.

/// Similarity below this is chance (chosen: `fallback` and `fallbacks` are 0.98, `key` and `hold` 0.0).
const LIKELY: f64 = 0.78;

/// A name that long is no typing error, and comparing it costs time.
const LONGEST: usize = 200;

/// The known names nearest to a wrong one, the nearest first, at most `limit`.
pub(crate) fn names<'a>(
    wrong: &str,
    known: impl Iterator<Item = &'a str>,
    limit: usize,
) -> Vec<String> {
    if wrong.len() > LONGEST {
        return Vec::new();
    }
    let wrong = wrong.to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .map(|name| (score(&wrong, name), name))
        .filter(|(score, _)| *score >= LIKELY)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored
        .into_iter()
        .take(limit)
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// The one nearest name.
pub(crate) fn name<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    names(wrong, known, 1).pop()
}

fn score(wrong: &str, name: &str) -> f64 {
    let name = name.to_lowercase();
    // A model asked for without its provider, or with a wrong one, is nearer than its letters say.
    let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    let whole = strsim::jaro_winkler(wrong, &name);
    let tail = strsim::jaro_winkler(&last(wrong), &last(&name));
    if last(wrong) == last(&name) && !wrong.is_empty() {
        return whole.max(0.97);
    }
    whole.max(tail * 0.95)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_what_was_meant_and_other_words_find_nothing() {
        let known = [
            "targets", "strategy", "timeout", "retry", "hold", "hold_for",
        ];
        let near = |wrong| name(wrong, known.into_iter());
        assert_eq!(near("target").as_deref(), Some("targets"));
        assert_eq!(near("timout").as_deref(), Some("timeout"));
        assert_eq!(near("stategy").as_deref(), Some("strategy"));
        assert_eq!(near("guardrails"), None);
        assert_eq!(near(&"t".repeat(10_000)), None);
    }

    #[test]
    fn a_model_without_its_provider_finds_the_model() {
        let known = ["openai/gpt-5-mini", "anthropic/claude-haiku-4-5"];
        assert_eq!(
            names("openia/gpt-5-mini", known.into_iter(), 3),
            ["openai/gpt-5-mini"]
        );
    }
}
