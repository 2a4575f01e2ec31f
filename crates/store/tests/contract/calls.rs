//! A call is kept whole and soon, and told to those who listen.

use std::fs;
use std::sync::Arc;

use store::{CallRow, Cursor, Filter, News, Options, Outcome, StateFolder, Store};
use tokio::sync::broadcast::error::TryRecvError;
use types::{CallId, Clock};

use crate::{Bench, full};

#[test]
fn a_call_reads_back_as_it_was_recorded() {
    let bench = Bench::new();
    let row = full(bench.clock.unix_millis());
    bench.stored(row.clone());
    let kept = bench.store.get(row.id).unwrap().unwrap();
    assert_eq!(kept.call, row);
    assert_eq!(kept.stored_millis, bench.clock.unix_millis());
}

#[test]
fn a_call_of_which_little_is_known_reads_back_too() {
    let bench = Bench::new();
    let row = bench.row(Outcome::Refused);
    bench.stored(row.clone());
    assert_eq!(bench.store.get(row.id).unwrap().unwrap().call, row);
}

#[test]
fn rows_stored_at_once_keep_what_each_says() {
    let bench = Bench::new();
    let now = bench.clock.unix_millis();
    let (mut other, mut peerless) = (full(now), full(now));
    other.details.config_version = Some(42);
    peerless
        .attempts
        .iter_mut()
        .for_each(|attempt| attempt.peer = None);
    let rows = [
        full(now),
        full(now),
        bench.row(Outcome::Ok),
        other,
        peerless,
        full(now),
    ];
    for row in &rows {
        bench.record(row.clone());
    }
    bench.store.flush().unwrap();
    for row in &rows {
        assert_eq!(bench.store.get(row.id).unwrap().unwrap().call, *row);
    }
}

#[test]
fn an_unknown_id_is_no_error() {
    let bench = Bench::new();
    assert_eq!(bench.store.get(CallId::generate(1)).unwrap(), None);
}

#[test]
fn a_second_row_of_the_same_id_changes_nothing() {
    let bench = Bench::new();
    let first = full(bench.clock.unix_millis());
    bench.stored(first.clone());
    bench.stored(CallRow {
        id: first.id,
        ..bench.row(Outcome::Ok)
    });
    assert_eq!(bench.store.get(first.id).unwrap().unwrap().call, first);
    let page = bench.store.recent(&Filter::default(), None, 10).unwrap();
    assert_eq!(page.rows.len(), 1);
}

#[test]
fn numbers_that_no_database_holds_are_kept_as_the_greatest() {
    let bench = Bench::new();
    let mut row = full(bench.clock.unix_millis());
    row.usage.input = Some(u64::MAX);
    row.response_bytes = u64::MAX;
    bench.stored(row.clone());
    let kept = bench.store.get(row.id).unwrap().unwrap().call;
    let most = u64::try_from(i64::MAX).unwrap();
    assert_eq!(kept.usage.input, Some(most));
    assert_eq!(kept.response_bytes, most);
}

#[test]
fn calls_outlive_a_process_that_is_killed() {
    let bench = Bench::new();
    let mut news = bench.store.subscribe();
    let row = full(bench.clock.unix_millis());
    bench.record(row.clone());
    // Nobody asks for a flush: the writer commits by itself, then says so.
    assert!(matches!(news.blocking_recv().unwrap(), News::Call(kept) if kept.call == row));
    let left = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(bench.folder.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("goodgate") {
            fs::copy(entry.path(), left.path().join(entry.file_name())).unwrap();
        }
    }
    let folder = StateFolder::hold(left.path()).unwrap();
    let store = Store::open(&folder, &Options::default(), Arc::new(bench.clock)).unwrap();
    assert_eq!(store.get(row.id).unwrap().unwrap().call, row);
    assert_eq!(store.counts().total.calls, 1);
}

#[test]
fn closing_stores_what_waits() {
    let bench = Bench::new();
    let id = bench.record(bench.row(Outcome::Ok));
    let bench = bench.reopened();
    assert!(bench.store.get(id).unwrap().is_some());
}

#[test]
fn after_closing_calls_are_still_taken_and_a_flush_says_so() {
    let bench = Bench::new();
    bench.store.close();
    bench.record(bench.row(Outcome::Ok));
    assert_eq!(
        bench.store.flush().unwrap_err().to_string(),
        "the store is closed"
    );
    assert_eq!(bench.store.counts().total.calls, 1);
}

#[test]
fn news_come_in_order_with_the_place_that_pages_use() {
    let bench = Bench::new();
    let mut news = bench.store.subscribe();
    let ids = [(); 5].map(|()| bench.record(bench.row(Outcome::Ok)));
    bench.store.flush().unwrap();
    for id in ids {
        let News::Call(kept) = news.try_recv().unwrap() else {
            panic!("only calls are new");
        };
        assert_eq!(kept.call.id, id);
        let older = bench
            .store
            .recent(&Filter::default(), Some(Cursor::before(kept.seq + 1)), 1)
            .unwrap();
        assert_eq!(older.rows[0].call.id, id);
    }
}

#[test]
fn a_subscriber_that_lags_skips_and_is_told() {
    let bench = Bench::new();
    let mut news = bench.store.subscribe();
    for _ in 0..1_500 {
        bench.record(bench.row(Outcome::Ok));
    }
    bench.store.flush().unwrap();
    assert!(matches!(news.try_recv(), Err(TryRecvError::Lagged(476))));
    assert!(matches!(news.try_recv(), Ok(News::Call(_))));
}
