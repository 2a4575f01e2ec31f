//! Forgets old rows and coarsens old counts, a few milliseconds at a time.

use rusqlite::{Connection, TransactionBehavior};

use super::calls::PLACES;
use super::columns::int;
use super::counts::coarsen;
use super::incidents;
use crate::error::StoreError;
use crate::options::Options;

/// Rows deleted in one step.
const STEP_ROWS: i64 = 500;
/// Pages given back to the file system in one step.
const STEP_PAGES: i64 = 256;
/// Counts are kept by the minute for three days, by the hour for ninety, then by the day.
const MINUTES_FOR: i64 = 3 * 86_400;
const HOURS_FOR: i64 = 90 * 86_400;

/// Does one small piece of what is due; true if there may be more.
pub(crate) fn step(
    connection: &mut Connection,
    options: &Options,
    now_millis: u64,
) -> Result<bool, StoreError> {
    let now = int(now_millis);
    let retain = i64::try_from(options.retain.as_millis()).unwrap_or(i64::MAX);
    let cutoff = now.saturating_sub(retain);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let last = last_to_go(&transaction, options, cutoff)?;
    let mut more = last.is_some();
    if let Some(last) = last {
        transaction
            .prepare_cached("DELETE FROM attempts WHERE place < ?")?
            .execute([(last + 1) * PLACES])?;
        transaction
            .prepare_cached("DELETE FROM calls WHERE seq <= ?")?
            .execute([last])?;
    }
    transaction
        .prepare_cached("DELETE FROM not_kept WHERE second < ?")?
        .execute([cutoff / 1_000])?;
    incidents::forget(&transaction, cutoff)?;
    let seconds = now / 1_000;
    more |= coarsen(&transaction, 60, 3_600, seconds - MINUTES_FOR)?;
    more |= coarsen(&transaction, 3_600, 86_400, seconds - HOURS_FOR)?;
    transaction.commit()?;
    more |= give_back(connection)?;
    Ok(more)
}

/// The last row of those that go in this step: too old, or the oldest of too many.
fn last_to_go(
    connection: &Connection,
    options: &Options,
    cutoff: i64,
) -> Result<Option<i64>, StoreError> {
    let old: Option<i64> = connection
        .prepare_cached(
            "SELECT max(seq) FROM (SELECT seq, stored FROM calls ORDER BY seq LIMIT ?) WHERE stored < ?",
        )?
        .query_row([STEP_ROWS, cutoff], |row| row.get(0))?;
    if old.is_some() {
        return Ok(old);
    }
    let pages = pragma(connection, "page_count")? - pragma(connection, "freelist_count")?;
    let bytes = pages.saturating_mul(pragma(connection, "page_size")?);
    if bytes <= int(options.max_bytes) {
        return Ok(None);
    }
    let crowded: Option<i64> = connection
        .prepare_cached("SELECT max(seq) FROM (SELECT seq FROM calls ORDER BY seq LIMIT ?)")?
        .query_row([STEP_ROWS], |row| row.get(0))?;
    Ok(crowded)
}

/// Shortens the file by what is free; true if more is.
fn give_back(connection: &Connection) -> Result<bool, StoreError> {
    // What is about to be written again is not worth giving back.
    let free = pragma(connection, "freelist_count")?;
    if free <= 4 * STEP_PAGES {
        return Ok(false);
    }
    let mut statement =
        connection.prepare_cached(&format!("PRAGMA incremental_vacuum({STEP_PAGES})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(true)
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}
