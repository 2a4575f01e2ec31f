//! Counts and the summary.

use std::time::Duration;

use serde_json::json;
use store::{CallRow, Outcome};

use crate::Bench;

#[tokio::test]
async fn counts_are_exact_and_demos_stand_apart() {
    let bench = Bench::new();
    bench.record(bench.failed());
    bench.record(bench.row(Outcome::Ok));
    bench.record(CallRow {
        demo: true,
        ..bench.row(Outcome::Ok)
    });
    let counts = bench.read("/api/v1/counts").await;
    assert_eq!(counts["calls"], 2);
    assert_eq!(counts["attempts"], 2);
    assert_eq!(counts["tokens"]["input"], 1_312);
    assert_eq!(counts["cost_nano_usd"], 5);
    assert_eq!(counts["not_kept"], 0);
    let by_outcome =
        json!({"ok": 1, "recovered": 0, "cached": 0, "failed": 1, "refused": 0, "cancelled": 0});
    assert_eq!(counts["by_outcome"], by_outcome);
    assert_eq!(counts["demo"]["calls"], 1);
}

#[tokio::test]
async fn a_call_counts_before_its_row_is_stored() {
    let bench = Bench::new();
    bench.store.close();
    bench.store.write_behind().record(bench.row(Outcome::Ok));
    assert_eq!(bench.read("/api/v1/counts").await["calls"], 1);
}

#[tokio::test]
async fn the_summary_tells_of_the_last_hour_in_sixty_parts() {
    let bench = Bench::new();
    bench.record(bench.failed());
    bench.tick(Duration::from_secs(3_600));
    bench.record(CallRow {
        ttft_ms: Some(700),
        total_ms: 1_900,
        ..bench.failed()
    });
    bench.tick(Duration::from_secs(120));
    bench.record(CallRow {
        ttft_ms: Some(300),
        total_ms: 0,
        ..bench.row(Outcome::Recovered)
    });
    let summary = bench.read("/api/v1/summary").await;
    assert_eq!(summary["calls"], 2, "the first is older than an hour");
    assert_eq!(summary["by_outcome"]["failed"], 1);
    let buckets = summary["buckets"].as_array().unwrap();
    assert_eq!(buckets.len(), 60);
    assert_eq!(buckets[59]["by_outcome"]["recovered"], 1);
    assert_eq!(buckets[57]["by_outcome"]["failed"], 1);
    assert_eq!(summary["models"][0]["calls"], 1);
    assert_eq!(summary["keys"].as_array().unwrap().len(), 2);
    assert_eq!(
        summary["ttft"],
        json!({"sample": 2, "p50_ms": 700, "p95_ms": 700})
    );
}

#[tokio::test]
async fn the_summary_can_show_demos_alone_or_too() {
    let bench = Bench::new();
    bench.record(bench.row(Outcome::Ok));
    bench.record(CallRow {
        demo: true,
        ..bench.row(Outcome::Recovered)
    });
    for (query, calls) in [
        ("", 1),
        ("?demo=exclude", 1),
        ("?demo=only", 1),
        ("?demo=include", 2),
    ] {
        let summary = bench.read(&format!("/api/v1/summary{query}")).await;
        assert_eq!(summary["calls"], calls, "{query}");
        assert_eq!(summary["total"]["sample"], calls, "{query}");
    }
}

#[tokio::test]
async fn spans_of_any_length_are_cut_into_sixty_parts_at_most() {
    let bench = Bench::new();
    for (minutes, parts) in [(1, 1), (59, 59), (61, 31), (1_440, 60), (43_200, 60)] {
        let summary = bench
            .read(&format!("/api/v1/summary?minutes={minutes}"))
            .await;
        assert_eq!(
            summary["buckets"].as_array().unwrap().len(),
            parts,
            "{minutes}"
        );
    }
    for minutes in ["0", "43201", "x"] {
        let answer = bench
            .get(&format!("/api/v1/summary?minutes={minutes}"))
            .await;
        assert_eq!(answer.problem(), "invalid_query");
    }
}
