//! How a provider or an upstream is: read from marks, planned windows and breakers, in the words of the web UI.

use serde::Deserialize;

use crate::spans;

/// A provider, as far as its condition goes.
#[derive(Debug, Deserialize)]
pub(crate) struct Provider {
    pub(crate) id: String,
    #[serde(default)]
    drained: Vec<Drain>,
    #[serde(default)]
    maintenance: Vec<Window>,
    guard: Option<Guard>,
    #[serde(default)]
    credentials: Vec<Credential>,
    #[serde(default)]
    targets: Vec<Guard>,
}

/// An upstream of plain routes.
#[derive(Debug, Deserialize)]
pub(crate) struct Upstream {
    pub(crate) url: String,
    pub(crate) routes: Vec<String>,
    is_well: Option<bool>,
    drained: Option<Drain>,
    guard: Option<Guard>,
}

#[derive(Debug, Deserialize)]
struct Drain {
    name: String,
    until_ms: Option<u64>,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Window {
    end_ms: u64,
    is_now: bool,
}

#[derive(Debug, Deserialize)]
struct Credential {
    guard: Option<Guard>,
}

#[derive(Debug, Deserialize)]
struct Guard {
    state: String,
    cause: Option<String>,
    resting_until_ms: Option<u64>,
}

/// A sign and what it stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) sign: char,
    pub(crate) text: String,
}

impl Condition {
    fn new(sign: char, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { sign, text }
    }

    /// Whether there is nothing to say of it.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.sign, '✓' | '○')
    }
}

impl Guard {
    /// Neither closed nor on its way there.
    fn is_failing(&self) -> bool {
        matches!(self.state.as_str(), "open" | "half_open")
    }

    fn condition(&self, now_ms: u64) -> Condition {
        let cause = self.cause.as_deref().unwrap_or("failures");
        match self.state.as_str() {
            "open" => Condition::new('✗', format!("failing ({cause})")),
            "half_open" => Condition::new('!', format!("trying again ({cause})")),
            "ramping" => Condition::new('!', "recovering"),
            _ => match self.resting_until_ms.filter(|until| *until > now_ms) {
                Some(until) => {
                    Condition::new('!', format!("resting until {}Z", spans::clock(until)))
                }
                None => Condition::new('✓', "well"),
            },
        }
    }
}

impl Drain {
    fn condition(&self) -> Condition {
        let until = self.until_ms.map(spans::clock);
        let until = until.map_or_else(String::new, |until| format!(" until {until}Z"));
        let why = self.reason.as_ref();
        let why = why.map_or_else(String::new, |why| format!(" ({why})"));
        Condition::new('⊘', format!("drained{until}{why}"))
    }

    fn lasts(&self, now_ms: u64) -> bool {
        self.until_ms.is_none_or(|until| until > now_ms)
    }
}

impl Provider {
    /// The worst that touches all of it, else whether parts of it fail.
    pub(crate) fn condition(&self, now_ms: u64) -> Condition {
        let mut lasting = self.drained.iter().filter(|drain| drain.lasts(now_ms));
        if let Some(drain) = lasting.clone().find(|drain| drain.name == self.id) {
            return drain.condition();
        }
        if let Some(window) = self.maintenance.iter().find(|window| window.is_now) {
            let until = spans::clock(window.end_ms);
            return Condition::new('⊘', format!("maintenance until {until}Z"));
        }
        let mut condition = self.in_use(now_ms);
        let models = lasting.by_ref().count();
        if models > 0 {
            let plural = if models == 1 { "" } else { "s" };
            let text = &condition.text;
            condition.text = format!("{text}, {models} model{plural} drained");
        }
        condition
    }

    fn in_use(&self, now_ms: u64) -> Condition {
        let Some(own) = &self.guard else {
            return Condition::new('○', "no call yet");
        };
        let own = own.condition(now_ms);
        if !own.is_plain() {
            return own;
        }
        let keys = self.credentials.iter().map(|key| key.guard.as_ref());
        let refused: Vec<&Guard> = keys.flatten().filter(|key| key.is_failing()).collect();
        let cause = |guards: &[&Guard]| {
            let cause = guards.iter().find_map(|guard| guard.cause.clone());
            cause.unwrap_or_else(|| "failures".to_owned())
        };
        let all = self.credentials.len();
        if !refused.is_empty() && refused.len() == all {
            let what = if all == 1 { "key" } else { "all keys" };
            return Condition::new('✗', format!("{what} refused ({})", cause(&refused)));
        }
        let failing: Vec<&Guard> = self.targets.iter().filter(|one| one.is_failing()).collect();
        match (failing.as_slice(), self.targets.len()) {
            ([], _) => {}
            ([one], 1) => return one.condition(now_ms),
            (some, count) if some.len() == count => {
                return Condition::new('✗', format!("failing ({})", cause(some)));
            }
            (some, count) => {
                let text = format!(
                    "partly failing: {} of {count} models ({})",
                    some.len(),
                    cause(some)
                );
                return Condition::new('!', text);
            }
        }
        if !refused.is_empty() {
            let text = format!(
                "{} of {all} keys refused ({})",
                refused.len(),
                cause(&refused)
            );
            return Condition::new('!', text);
        }
        let states = self.targets.iter().map(|target| target.condition(now_ms));
        states
            .into_iter()
            .find(|one| !one.is_plain())
            .unwrap_or(own)
    }
}

impl Upstream {
    /// By hand, by its breaker, by its health check: the first that has something to say.
    pub(crate) fn condition(&self, now_ms: u64) -> Condition {
        if let Some(drain) = self.drained.as_ref().filter(|drain| drain.lasts(now_ms)) {
            return drain.condition();
        }
        let own = match &self.guard {
            Some(guard) => guard.condition(now_ms),
            None => Condition::new('○', "no call yet"),
        };
        if own.is_plain() && self.is_well == Some(false) {
            return Condition::new('!', "unwell (its health check fails)");
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 7_200_000;

    fn check(change: &Value) -> String {
        let mut all = json!({"id": "p", "guard": guard("closed"), "credentials": [{"guard": null}], "targets": []});
        for (name, value) in change.as_object().unwrap() {
            all[name] = value.clone();
        }
        let provider: Provider = serde_json::from_value(all).unwrap();
        let Condition { sign, text } = provider.condition(NOW);
        format!("{sign} {text}")
    }

    fn guard(state: &str) -> Value {
        let cause = (state != "closed").then_some("bad_gateway");
        json!({"state": state, "cause": cause, "resting_until_ms": null})
    }

    #[test]
    fn what_touches_all_of_a_provider_comes_first() {
        let drained = json!([{"name": "p", "until_ms": 10_800_000, "reason": "deploy"}]);
        let open = json!([guard("open")]);
        let cases = [
            (json!({}), "✓ well"),
            (json!({"guard": null}), "○ no call yet"),
            (
                json!({"drained": drained, "targets": open}),
                "⊘ drained until 03:00:00Z (deploy)",
            ),
            (
                json!({"drained": [{"name": "p", "until_ms": 1, "reason": null}]}),
                "✓ well",
            ),
            (
                json!({"maintenance": [{"end_ms": 9_000_000, "is_now": true}]}),
                "⊘ maintenance until 02:30:00Z",
            ),
            (json!({"guard": guard("open")}), "✗ failing (bad_gateway)"),
            (
                json!({"credentials": [{"guard": guard("open")}]}),
                "✗ key refused (bad_gateway)",
            ),
            (
                json!({"credentials": [{"guard": guard("open")}, {"guard": null}]}),
                "! 1 of 2 keys refused (bad_gateway)",
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(check(&change), expected, "{change}");
        }
    }

    #[test]
    fn of_its_models_some_or_all_may_fail() {
        let resting = json!({"state": "closed", "cause": null, "resting_until_ms": NOW + 1_000});
        let cases = [
            (json!([guard("open")]), "✗ failing (bad_gateway)"),
            (json!([guard("half_open")]), "! trying again (bad_gateway)"),
            (
                json!([guard("open"), guard("half_open")]),
                "✗ failing (bad_gateway)",
            ),
            (
                json!([guard("open"), guard("closed")]),
                "! partly failing: 1 of 2 models (bad_gateway)",
            ),
            (json!([guard("closed"), guard("ramping")]), "! recovering"),
            (json!([resting]), "! resting until 02:00:01Z"),
        ];
        for (targets, expected) in cases {
            assert_eq!(check(&json!({"targets": targets})), expected);
        }
        let one_drained = json!({"drained": [{"name": "p/m", "until_ms": null, "reason": null}]});
        assert_eq!(check(&one_drained), "✓ well, 1 model drained");
    }

    #[test]
    fn an_upstream_is_unwell_where_its_health_check_fails_though_calls_are_answered() {
        let of = |is_well: Value, state: &str| {
            let all = json!({"url": "https://a", "routes": ["r"], "is_well": is_well, "drained": null, "guard": guard(state)});
            let upstream: Upstream = serde_json::from_value(all).unwrap();
            upstream.condition(NOW).text
        };
        assert_eq!(of(json!(null), "closed"), "well");
        assert_eq!(
            of(json!(false), "closed"),
            "unwell (its health check fails)"
        );
        assert_eq!(of(json!(false), "open"), "failing (bad_gateway)");
    }
}
