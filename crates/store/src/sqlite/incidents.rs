//! Incidents: written by the one writer, whole each time they change.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};
use types::CallId;

use super::columns::{Columns, int, opt};
use crate::error::StoreError;
use crate::incident::{IncidentFilter, IncidentId, IncidentRow};

macro_rules! columns {
    () => {
        "number, target, code, code_group, started, latest, ended, closed_by, attempts, calls, saved, lost, \
         evidence, last_call"
    };
}

/// Writes incidents as they are now, within the caller's transaction.
pub(crate) fn store(
    connection: &Connection,
    changed: &BTreeMap<IncidentId, IncidentRow>,
) -> Result<(), StoreError> {
    let mut write = connection.prepare_cached(concat!(
        "INSERT OR REPLACE INTO incidents (",
        columns!(),
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))?;
    for row in changed.values() {
        write.execute(params![
            int(row.id.0),
            &*row.target,
            row.code,
            row.group,
            int(row.started_millis),
            int(row.latest_millis),
            opt(row.ended_millis),
            row.closed_by,
            int(row.attempts),
            int(row.calls),
            int(row.saved),
            int(row.lost),
            row.evidence,
            row.last_call.map(|call| call.to_string()),
        ])?;
    }
    Ok(())
}

/// A page, the latest first.
pub(crate) fn list(
    connection: &Connection,
    filter: IncidentFilter,
    limit: usize,
) -> Result<Vec<IncidentRow>, StoreError> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        " FROM incidents WHERE number < ? AND (? OR ended IS NULL) ORDER BY number DESC LIMIT ?"
    ))?;
    let before = filter.before.map_or(i64::MAX, |before| int(before.0));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![before, !filter.open, limit], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One of them.
pub(crate) fn get(
    connection: &Connection,
    id: IncidentId,
) -> Result<Option<IncidentRow>, StoreError> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        " FROM incidents WHERE number = ?"
    ))?;
    let mut rows = statement.query_map([int(id.0)], read)?;
    Ok(rows.next().transpose()?)
}

/// The one to which a failure belongs.
pub(crate) fn of_failure(
    connection: &Connection,
    target: &str,
    code: &str,
    at_millis: u64,
) -> Result<Option<IncidentRow>, StoreError> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        " FROM incidents WHERE target = ?1 AND code = ?2 AND started <= ?3 AND coalesce(ended, ?3) >= ?3 \
         ORDER BY started DESC LIMIT 1"
    ))?;
    let mut rows = statement.query_map(params![target, code, int(at_millis)], read)?;
    Ok(rows.next().transpose()?)
}

/// The latest one at a target that lasted at a time, or had ended no longer than `since_end` before.
pub(crate) fn at_target(
    connection: &Connection,
    target: &str,
    at_millis: u64,
    since_end: u64,
) -> Result<Option<IncidentRow>, StoreError> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        " FROM incidents WHERE target = ?1 AND started <= ?2 AND coalesce(ended, ?2) >= ?3 \
         ORDER BY started DESC LIMIT 1"
    ))?;
    let earliest = int(at_millis.saturating_sub(since_end));
    let mut rows = statement.query_map(params![target, int(at_millis), earliest], read)?;
    Ok(rows.next().transpose()?)
}

/// The greatest number ever given.
pub(crate) fn last(connection: &Connection) -> Result<Option<IncidentId>, StoreError> {
    let last: Option<i64> =
        connection.query_row("SELECT max(number) FROM incidents", [], |row| row.get(0))?;
    Ok(last.map(|number| IncidentId(super::columns::unsigned(number))))
}

/// Forgets those that ended before.
pub(crate) fn forget(connection: &Connection, cutoff: i64) -> Result<(), StoreError> {
    // The last one stays: its number must not be given again.
    connection
        .prepare_cached(
            "DELETE FROM incidents WHERE ended < ? AND number < (SELECT max(number) FROM incidents)",
        )?
        .execute([cutoff])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<IncidentRow> {
    let mut columns = Columns::of(row);
    Ok(IncidentRow {
        id: IncidentId(columns.number()?),
        target: columns.take()?,
        code: columns.word()?,
        group: columns.word()?,
        started_millis: columns.number()?,
        latest_millis: columns.number()?,
        ended_millis: columns.maybe()?,
        closed_by: columns.maybe_word()?,
        attempts: columns.number()?,
        calls: columns.number()?,
        saved: columns.number()?,
        lost: columns.number()?,
        evidence: columns.take()?,
        last_call: columns
            .take::<Option<String>>()?
            .and_then(|text| CallId::parse(&text)),
    })
}
