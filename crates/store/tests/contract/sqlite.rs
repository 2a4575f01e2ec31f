//! What is SQLite's alone: its files, its locks, and how it forgets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rusqlite::Connection;
use store::{CallRow, Filter, Options, Outcome, Store, StoreError};
use types::Clock;

use crate::{Bench, full};

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    for (file, newest) in [("goodgate-calls.db", 2), ("goodgate.db", 2)] {
        let bench = Bench::new();
        bench.store.close();
        let path = bench.folder.path().join(file);
        Connection::open(&path)
            .unwrap()
            .execute(
                "INSERT INTO refinery_schema_history SELECT 99, 'future', applied_on, checksum \
                 FROM refinery_schema_history LIMIT 1",
                [],
            )
            .unwrap();
        let clock = Arc::new(bench.clock.clone());
        let error = Store::open(&bench.folder, &Options::default(), clock).unwrap_err();
        assert!(
            matches!(error, StoreError::Newer { found: 99, known, .. } if known == newest),
            "{error}"
        );
        assert!(error.to_string().contains(file), "{error}");
    }
}

#[test]
fn the_files_may_have_another_name_and_place() {
    let home = tempfile::tempdir().unwrap();
    let bench = Bench::with(&Options {
        file: Some(home.path().join("acme.sqlite")),
        ..Options::default()
    });
    let id = bench.stored(bench.row(Outcome::Ok));
    assert!(bench.store.get(id).unwrap().is_some());
    assert!(home.path().join("acme.sqlite").exists());
    assert!(home.path().join("acme-calls.db").exists());
    assert!(!bench.folder.path().join("goodgate.db").exists());
}

#[test]
fn a_file_that_is_no_database_is_an_error() {
    let bench = Bench::new();
    bench.store.close();
    for suffix in ["", "-wal", "-shm"] {
        let path = bench
            .folder
            .path()
            .join(format!("goodgate-calls.db{suffix}"));
        fs::write(
            path,
            "not a database, but long enough to be taken for one".repeat(100),
        )
        .unwrap();
    }
    let clock = Arc::new(bench.clock.clone());
    let error = Store::open(&bench.folder, &Options::default(), clock).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("goodgate-calls.db is damaged"), "{text}");
}

#[test]
fn while_the_file_is_locked_calls_go_on_and_are_stored_afterwards() {
    let bench = Bench::with(&Options {
        queue_rows: 100,
        ..Options::default()
    });
    let path = bench.folder.path().join("goodgate-calls.db");
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..150 {
        bench.record(bench.row(Outcome::Ok));
    }
    let error = bench.store.flush().unwrap_err();
    assert!(matches!(error, StoreError::Unwritten { .. }), "{error}");
    assert!(bench.store.trouble().unwrap().contains("locked"));
    assert_eq!(bench.store.counts().total.calls, 150);
    let lines = bench.store.count_lines(0, u64::MAX).unwrap();
    assert_eq!(store::Counts::of_lines(&lines).total.calls, 150);
    other.execute_batch("ROLLBACK").unwrap();
    bench.store.flush().unwrap();
    assert_eq!(bench.store.trouble(), None);
    let page = bench.store.recent(&Filter::default(), None, 200).unwrap();
    assert_eq!(page.rows.len(), 100, "the queue's bound");
    assert_eq!(page.not_kept.iter().map(|note| note.count).sum::<u64>(), 50);
    assert_eq!(bench.store.write_behind().queued(), 0);
}

#[test]
fn a_gateway_and_its_successor_write_to_one_file_and_count_alike() {
    let old = Bench::new();
    old.stored(old.row(Outcome::Ok));
    let clock = Arc::new(old.clock.clone());
    let new = Store::open(&old.folder, &Options::default(), clock).unwrap();
    for turn in 0..5 {
        old.record(old.row(Outcome::Failed));
        new.write_behind().record(old.row(Outcome::Ok));
        if turn % 2 == 0 {
            old.store.flush().unwrap();
        }
        new.flush().unwrap();
    }
    // The old one ends last: what it stores then is counted by the new one as well.
    old.record(old.row(Outcome::Recovered));
    old.store.close();
    new.flush().unwrap();
    assert_eq!(new.counts().total.calls, 12);
    let lines = new.count_lines(0, u64::MAX).unwrap();
    assert_eq!(store::Counts::of_lines(&lines), new.counts());
    let page = new.recent(&Filter::default(), None, 200).unwrap();
    let mut numbers: Vec<_> = page.rows.iter().map(|row| row.seq).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), 12, "{numbers:?}");
}

#[test]
fn rows_that_no_disk_will_ever_take_are_given_up_and_counted() {
    let bench = Bench::new();
    bench.store.close();
    let path = bench.folder.path().join("goodgate-calls.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "CREATE TRIGGER never BEFORE INSERT ON calls BEGIN \
             SELECT RAISE(ABORT, 'not this row'); END",
        )
        .unwrap();
    let bench = bench.reopened();
    bench.record(bench.row(Outcome::Ok));
    bench.record(bench.row(Outcome::Failed));
    bench.store.flush().unwrap_err();
    bench.store.flush().unwrap();
    assert_eq!(bench.store.counts().total.calls, 2);
    let bench = bench.reopened();
    assert_eq!(bench.store.counts().total.calls, 2);
    assert_eq!(bench.store.counts().not_kept, 2);
}

#[test]
fn rows_are_forgotten_by_age_and_counts_are_not() {
    let bench = Bench::new();
    for _ in 0..1_200 {
        bench.record(bench.row(Outcome::Ok));
    }
    bench.store.flush().unwrap();
    bench.tick(31 * 86_400_000);
    let fresh = bench.stored(full(bench.clock.unix_millis()));
    for _ in 0..100 {
        bench.tick(61_000);
        bench.store.flush().unwrap();
    }
    let page = bench.store.recent(&Filter::default(), None, 200).unwrap();
    let left: Vec<_> = page.rows.iter().map(|row| row.call.id).collect();
    assert_eq!((left, page.next), (vec![fresh], None));
    assert_eq!(page.rows[0].call.attempts.len(), 2);
    assert_eq!(bench.store.counts().total.calls, 1_201);
}

#[test]
fn the_oldest_rows_go_when_the_file_grows_too_large() {
    let bench = Bench::with(&Options {
        max_bytes: 1 << 20,
        ..Options::default()
    });
    let mut last = None;
    for n in 0..4_000 {
        let row = CallRow {
            path: format!("/v1/{}", "x".repeat(500)),
            ..full(bench.clock.unix_millis())
        };
        last = Some(bench.record(row));
        bench.tick(1);
        if n % 500 == 499 {
            bench.store.flush().unwrap();
        }
    }
    for _ in 0..200 {
        bench.tick(61_000);
        bench.store.flush().unwrap();
    }
    bench.store.close();
    let path = bench.folder.path().join("goodgate-calls.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let size = fs::metadata(&path).unwrap().len();
    assert!(size < 8 << 20, "{size}");
    assert!(bench.store.get(last.unwrap()).unwrap().is_some());
}

#[test]
fn the_files_are_their_owners_alone() {
    let bench = Bench::new();
    bench.stored(bench.row(Outcome::Ok));
    for entry in fs::read_dir(bench.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}
