//! Exact sums and the record of rows that were not kept.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};
use types::NanoUsd;

use super::columns::{Columns, int};
use crate::counts::{CountLine, Counts, Sums};
use crate::error::StoreError;
use crate::row::{Class, NotKept, Outcome};
use crate::write_behind::{Shared, Transit};

/// Adds to a bucket. Saturates: SQLite would go on in floating point.
macro_rules! on_conflict_add {
    () => {
        " ON CONFLICT (span, start, outcome, demo, model, key) DO UPDATE SET \
         calls = min(calls + excluded.calls, 9223372036854775807), \
         attempts = min(attempts + excluded.attempts, 9223372036854775807), \
         input = min(input + excluded.input, 9223372036854775807), \
         output = min(output + excluded.output, 9223372036854775807), \
         cache_read = min(cache_read + excluded.cache_read, 9223372036854775807), \
         cache_write = min(cache_write + excluded.cache_write, 9223372036854775807), \
         reasoning = min(reasoning + excluded.reasoning, 9223372036854775807), \
         cost_nano_usd = min(cost_nano_usd + excluded.cost_nano_usd, 9223372036854775807)"
    };
}

macro_rules! count_columns {
    () => {
        "span, start, outcome, demo, model, key, calls, attempts, input, output, cache_read, cache_write, \
         reasoning, cost_nano_usd"
    };
}

/// Everything there is, summed up.
pub(crate) fn load(connection: &Connection) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    // Added here and not by SQL: its sum() fails where these saturate.
    let mut statement = connection.prepare(concat!("SELECT ", count_columns!(), " FROM counts"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let line = read_line(row)?;
        counts.add(line.outcome, line.demo, &line.sums);
    }
    let mut statement = connection.prepare("SELECT count FROM not_kept_total")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        counts.not_kept = counts.not_kept.saturating_add(Columns::of(row).number()?);
    }
    Ok(counts)
}

/// Stores what is in transit, within the caller's transaction.
pub(crate) fn store(connection: &Connection, transit: &Transit) -> Result<(), StoreError> {
    let mut add = connection.prepare_cached(concat!(
        "INSERT INTO counts (",
        count_columns!(),
        ") VALUES (60, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        on_conflict_add!()
    ))?;
    for (bucket, sums) in &transit.sums {
        add.execute(params![
            int(bucket.minute),
            bucket.outcome.as_str(),
            bucket.demo,
            bucket.model.as_deref().unwrap_or_default(),
            bucket.key.as_ref().map_or("", |key| key.as_str()),
            int(sums.calls),
            int(sums.attempts),
            int(sums.input),
            int(sums.output),
            int(sums.cache_read),
            int(sums.cache_write),
            int(sums.reasoning),
            int(sums.cost.as_nanos()),
        ])?;
    }
    let mut add = connection.prepare_cached(
        "INSERT INTO not_kept (second, class, count) VALUES (?, ?, ?) \
         ON CONFLICT (second, class) DO UPDATE SET count = count + excluded.count",
    )?;
    let mut sum = 0;
    for ((second, class), count) in &transit.not_kept {
        add.execute(params![int(*second), class.as_str(), int(*count)])?;
        sum += count;
    }
    if sum > 0 {
        connection
            .prepare_cached("UPDATE not_kept_total SET count = count + ?")?
            .execute([int(sum)])?;
    }
    Ok(())
}

/// Puts the minutes of one old hour together, or the hours of one old day; false if there is nothing to do.
pub(crate) fn coarsen(
    connection: &Connection,
    from: i64,
    to: i64,
    before: i64,
) -> Result<bool, StoreError> {
    let oldest: Option<i64> = connection
        .prepare_cached("SELECT min(start) FROM counts WHERE span = ?")?
        .query_row([from], |row| row.get(0))?;
    let Some(start) = oldest.map(|oldest| oldest / to * to) else {
        return Ok(false);
    };
    if start + to > before {
        return Ok(false);
    }
    connection
        .prepare_cached(concat!(
            "INSERT INTO counts (",
            count_columns!(),
            ") SELECT ?1, ?2, outcome, demo, model, key, calls, attempts, input, output, cache_read, \
             cache_write, reasoning, cost_nano_usd FROM counts WHERE span = ?3 AND start >= ?2 AND start < ?4",
            on_conflict_add!()
        ))?
        .execute([to, start, from, start + to])?;
    connection
        .prepare_cached("DELETE FROM counts WHERE span = ? AND start >= ? AND start < ?")?
        .execute([from, start, start + to])?;
    Ok(true)
}

/// The buckets that begin in the span (milliseconds since 1970), those not yet stored included.
pub(crate) fn lines(
    connection: &Connection,
    shared: &Shared,
    since: u64,
    until: u64,
) -> Result<Vec<CountLine>, StoreError> {
    let (since, until) = (since.div_ceil(1_000), until.div_ceil(1_000));
    // Held until the end: the writer stores it under the same lock.
    let transit = shared.transit.lock();
    let mut merged = BTreeMap::new();
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        count_columns!(),
        " FROM counts WHERE span IN (60, 3600, 86400) AND start >= ? AND start < ?"
    ))?;
    let mut rows = statement.query([int(since), int(until)])?;
    while let Some(row) = rows.next()? {
        let line = read_line(row)?;
        merged.insert(place(&line), line);
    }
    shared.each_unstored(&transit, |bucket, sums| {
        if bucket.minute < since || bucket.minute >= until {
            return;
        }
        let line = CountLine {
            start: bucket.minute,
            span: 60,
            outcome: bucket.outcome,
            model: bucket.model.as_deref().map(str::to_owned),
            key: bucket.key.as_ref().map(|key| key.as_str().to_owned()),
            demo: bucket.demo,
            sums: Sums::default(),
        };
        merged.entry(place(&line)).or_insert(line).sums.add(sums);
    });
    Ok(merged.into_values().collect())
}

type Place = (u64, u64, Outcome, bool, Option<String>, Option<String>);

fn place(line: &CountLine) -> Place {
    (
        line.start,
        line.span,
        line.outcome,
        line.demo,
        line.model.clone(),
        line.key.clone(),
    )
}

fn read_line(row: &Row<'_>) -> rusqlite::Result<CountLine> {
    let mut columns = Columns::of(row);
    Ok(CountLine {
        span: columns.number()?,
        start: columns.number()?,
        outcome: columns.parsed(Outcome::parse)?,
        demo: columns.take()?,
        model: named(columns.take()?),
        key: named(columns.take()?),
        sums: Sums {
            calls: columns.number()?,
            attempts: columns.number()?,
            input: columns.number()?,
            output: columns.number()?,
            cache_read: columns.number()?,
            cache_write: columns.number()?,
            reasoning: columns.number()?,
            cost: NanoUsd::new(columns.number()?),
        },
    })
}

fn named(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Seconds `since..until` in which calls of these classes have no row, newest first, at most `limit` lines.
pub(crate) fn not_kept(
    connection: &Connection,
    since: u64,
    until: u64,
    limit: usize,
) -> Result<Vec<NotKept>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT second, class, count FROM not_kept WHERE second >= ? AND second < ? \
         ORDER BY second DESC, class LIMIT ?",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let notes = statement
        .query_map([int(since), int(until), limit], |row| {
            let mut columns = Columns::of(row);
            Ok(NotKept {
                second: columns.number()?,
                class: columns.parsed(Class::parse)?,
                count: columns.number()?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(notes)
}
