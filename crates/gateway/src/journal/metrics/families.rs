//! Every metric there is: name, kind, unit, meaning, labels. The reference page is made from this table.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Debug)]
pub(super) struct Family {
    /// Without the `_total` that counters get.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What the name ends with, where it is a unit.
    pub(super) unit: &'static str,
    pub(super) help: &'static str,
    pub(super) labels: &'static [&'static str],
}

macro_rules! families {
    ($($place:ident: $kind:ident $name:literal [$($label:literal),*] $unit:literal $help:literal;)+) => {
        $(pub(super) static $place: Family = Family {
            name: $name,
            kind: Kind::$kind,
            unit: $unit,
            help: $help,
            labels: &[$($label),*],
        };)+

        /// All of them, in the order in which they are written.
        pub(super) static ALL: &[&Family] = &[$(&$place),+];
    };
}

families! {
    REQUESTS: Counter "goodgate_requests" ["outcome"] ""
        "Calls by how they ended: ok, recovered, cached, failed, refused, cancelled.";
    RECOVERED: Counter "goodgate_recovered" [] ""
        "Calls that were answered although an attempt had failed.";
    REQUEST_DURATION: Histogram "goodgate_request_duration_seconds" [] "seconds"
        "From a call's first byte to the last byte of its answer.";
    OVERHEAD: Histogram "goodgate_overhead_seconds" [] "seconds"
        "The part of a call's time that no attempt took: the gateway's own work, queues, and waits between attempts.";
    QUEUE_WAIT: Histogram "goodgate_queue_wait_seconds" [] "seconds"
        "How long calls stood in line before a target that had no room, those that then were left out, too.";
    SHED: Counter "goodgate_shed" ["priority"] ""
        "Calls that were left out for want of room (load_shed, queue_timeout), by their class.";
    INFLIGHT: Gauge "goodgate_inflight" ["phase"] ""
        "Calls that run: reading their request, attempting, or relaying their answer.";
    ATTEMPTS: Counter "goodgate_attempts" ["target", "outcome"] ""
        "Attempts by target and by how they ended: answered, failed, or cancelled because the client left.";
    RETRIES: Counter "goodgate_retries" ["reason", "result"] ""
        "Attempts that followed a failed one, by that one's code and by how they ended themselves.";
    RETRIES_SUPPRESSED: Counter "goodgate_retries_suppressed" ["reason"] ""
        "Calls that ended without a repeat that might have helped, and why: budget_exhausted, deadline, ...";
    FAILURES: Counter "goodgate_failures" ["group", "code", "target", "phase", "visible"] ""
        "Failures by code. visible: the client was told this one. No target: the gateway refused by itself.";
    STREAM_BREAKS: Counter "goodgate_stream_breaks" ["code"] ""
        "Answers that broke off after content had reached the client.";
    POSSIBLE_DUPLICATES: Counter "goodgate_possible_duplicates" [] ""
        "Repeats of attempts that the upstream may have executed.";
    FIRST_TOKEN: Histogram "goodgate_first_token_seconds" ["target"] "seconds"
        "From an attempt's start to its first content.";
    COST: Counter "goodgate_cost_usd" ["target"] ""
        "Money spent, in US dollars, where a price is known.";
    OPERATION_DURATION: Histogram "gen_ai_client_operation_duration_seconds"
        ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "goodgate_target", "error_type"] "seconds"
        "Time of one attempt at a model, to its last byte. error_type: the failure's code, empty where it answered.";
    TOKEN_USAGE: Histogram "gen_ai_client_token_usage"
        ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "goodgate_target", "gen_ai_token_type"] ""
        "Tokens of one call: input (the prompt, cached tokens too) and output (the answer, reasoning too).";
    BREAKER_STATE: Gauge "goodgate_breaker_state" ["target", "level"] ""
        "Whether a provider, credential or target takes calls: 0 yes (closed), 1 on probation (half-open), 2 no (open).";
    COOLDOWN: Gauge "goodgate_cooldown_seconds" ["target", "level"] "seconds"
        "How long a provider, credential or target still rests because it asked to be left alone.";
    CONCURRENCY_LIMIT: Gauge "goodgate_concurrency_limit" ["target"] ""
        "Calls at a time that a target takes, where it has shown a limit.";
    TARGET_INFLIGHT: Gauge "goodgate_target_inflight" ["target"] ""
        "Calls that a target has now, each until the last byte of its answer.";
    SHADOW: Counter "goodgate_shadow_decisions" ["target", "level", "loop"] ""
        "What a loop that does not act would have done: calls refused or sent elsewhere, limits cut, repeats not sent.";
    RETRY_BUDGET: Gauge "goodgate_retry_budget_left" ["provider"] ""
        "Repeats that a provider's retry budget still allows.";
    INCIDENTS_OPEN: Gauge "goodgate_incidents_open" [] ""
        "Incidents that last: failures of one cause at one target.";
    INCIDENTS: Counter "goodgate_incidents" [] ""
        "Incidents there ever were, in all runs.";
    CONNECTIONS: Gauge "goodgate_connections" [] ""
        "Connections of clients.";
    UPSTREAM_CONNECTIONS: Counter "goodgate_upstream_connections" ["reused"] ""
        "Attempts by whether their connection had served before.";
    POOL_IDLE: Gauge "goodgate_pool_idle_connections" ["worker"] ""
        "Idle connections to upstreams.";
    LOOP_LAG: Gauge "goodgate_loop_lag_seconds" ["worker"] "seconds"
        "How late a worker's loop is for its timers.";
    BYTES_HELD: Gauge "goodgate_buffered_bytes" [] "bytes"
        "Bytes that are held for running calls.";
    BYTES_LIMIT: Gauge "goodgate_buffered_limit_bytes" [] "bytes"
        "The most that may be held.";
    LOG_DROPPED: Counter "goodgate_log_lines_dropped" [] ""
        "Lines of the access log that nobody took.";
    SPANS: Counter "goodgate_spans" ["result"] ""
        "Spans by what became of them: exported, dropped because too many waited, failed at the collector.";
    STORE_QUEUED: Gauge "goodgate_store_queued_rows" [] ""
        "Calls that wait to be stored.";
    STORE_NOT_KEPT: Counter "goodgate_store_rows_not_kept" [] ""
        "Calls that were counted but of which no row was kept, since the store was made.";
    STORE_WRITABLE: Gauge "goodgate_store_writable" [] ""
        "Whether calls can be stored at the moment: 1 or 0.";
    CONFIG_VERSION: Gauge "goodgate_config_version" [] ""
        "The version of the configuration in force; it counts up with every reload.";
    DRAINING: Gauge "goodgate_draining" [] ""
        "1 while the gateway shuts down.";
    BUILD: Gauge "goodgate_build_info" ["version"] ""
        "Always 1; the version that runs.";
    OPEN_FDS: Gauge "process_open_fds" [] ""
        "Open files and sockets.";
    MAX_FDS: Gauge "process_max_fds" [] ""
        "The most that may be open.";
    RESIDENT: Gauge "process_resident_memory_bytes" [] "bytes"
        "Memory in use.";
    MEMORY_LIMIT: Gauge "goodgate_memory_limit_bytes" [] "bytes"
        "The memory that the process may use: its cgroup's limit, or all of the machine.";
    CLOCK_JUMPS: Counter "goodgate_clock_jumps" [] ""
        "How often wall and monotonic clock have parted: the clock was set, or the machine slept.";
    CPU: Counter "process_cpu_seconds" [] "seconds"
        "Processor time used.";
    THREADS: Gauge "process_threads" [] ""
        "Threads.";
    START_TIME: Gauge "process_start_time_seconds" [] "seconds"
        "When the process started, in seconds since 1970.";
}

/// The reference page, as Markdown.
#[must_use]
pub fn reference_markdown() -> String {
    let mut page = String::from(HEAD);
    for family in ALL {
        let suffix = if family.kind == Kind::Counter {
            "_total"
        } else {
            ""
        };
        let labels: Vec<String> = family
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        for part in [
            "| `",
            family.name,
            suffix,
            "` | ",
            family.kind.as_str(),
            " | ",
            &labels.join(", "),
            " | ",
            family.help,
            " |\n",
        ] {
            page.push_str(part);
        }
    }
    page
}

const HEAD: &str = "\
# Metrics

Generated from the source; do not edit. How to scrape them, what to watch and what they cost: [observability](../observability.md).

A `target` is `provider/model`, or the upstream of a plain route. Names that callers make up become a label only once they
have answered; all others share `(others)`. Calls to the demo models are counted nowhere.

| name | kind | labels | meaning |
| --- | --- | --- | --- |
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_prometheus_and_openmetrics_allow_and_no_two_are_the_same() {
        let mut names: Vec<&str> = ALL.iter().map(|family| family.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for family in ALL {
            let name = family.name;
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{name}"
            );
            assert!(!name.ends_with("_total"), "{name}: the writer adds it");
            assert!(
                family.unit.is_empty() || name.ends_with(family.unit),
                "{name}"
            );
            assert!(
                family.help.ends_with(['.', '0']) || family.help.ends_with("..."),
                "{name}"
            );
        }
    }

    #[test]
    fn the_reference_page_is_fresh() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../docs/reference/metrics.md");
        let generated = reference_markdown();
        if config::Environment::capture()
            .get("UPDATE_REFERENCE")
            .is_some()
        {
            std::fs::write(&file, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == generated,
            "docs/reference/metrics.md is stale: UPDATE_REFERENCE=1 cargo test -p goodgate-gateway reference"
        );
    }
}
