//! A page of calls: newest first, found in slices of the order of arrival, so that no search runs for long.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::calls::{PLACES, call_columns, read_listed, read_listed_attempts};
use super::columns::unsigned;
use super::counts;
use crate::error::StoreError;
use crate::filter::{Cursor, Filter, Page};
use crate::row::{NotKept, Outcome};

/// Rows on a page at most.
const MOST_ROWS: usize = 200;
/// Notes of rows not kept on a page at most: over three minutes of one class without a pause.
const MOST_NOTES: usize = 200;
/// Calls that one text may find at most; ids are all but unique, so more means that it is too short to help.
const MOST_MATCHES: i64 = 1_000;
/// Rows looked through at first, and at most, in one slice. The greater one takes about 100 ms without an index.
const FIRST_SLICE: i64 = 2_000;
const LAST_SLICE: i64 = 128_000;

/// What is looked for, from where, and when to give up and hand over what there is.
pub(crate) struct Search<'a> {
    pub(crate) filter: &'a Filter,
    pub(crate) before: Option<Cursor>,
    pub(crate) limit: usize,
    pub(crate) out_of_time: &'a dyn Fn() -> bool,
}

pub(crate) fn recent(connection: &Connection, search: &Search<'_>) -> Result<Page, StoreError> {
    let Some((oldest, newest)) = ends(connection)? else {
        return Ok(Page {
            not_kept: notes(connection, search, oldest_second(search), u64::MAX)?,
            ..Page::default()
        });
    };
    let filter = search.filter;
    let mut low = oldest;
    let mut high = newest + 1;
    if let Some(cursor) = search.before {
        high = high.min(cursor.0);
    }
    if let Some(until) = filter.until {
        high = high.min(first_at(connection, until, oldest, newest)?);
    }
    if let Some(since) = filter.since {
        low = low.max(first_at(connection, since, oldest, newest)?);
    }
    let mut conditions = Conditions::of(filter);
    let mut slice = FIRST_SLICE;
    if let Some(text) = filter.text.as_deref().filter(|text| !text.is_empty()) {
        let matches = matches(connection, text)?;
        low = low.max(matches.iter().min().copied().unwrap_or(high));
        high = high.min(matches.iter().max().map_or(low, |last| last + 1));
        conditions.among(&matches);
        slice = i64::MAX;
    }
    let limit = search.limit.clamp(1, MOST_ROWS);
    let mut page = Page::default();
    let mut top = high;
    while top > low && page.rows.len() < limit {
        let bottom = low.max(top.saturating_sub(slice));
        read_slice(connection, &conditions, bottom..top, limit, &mut page)?;
        top = bottom;
        slice = slice.saturating_mul(2).min(LAST_SLICE);
        if (search.out_of_time)() {
            break;
        }
    }
    if page.rows.len() >= limit {
        top = page.rows.last().map_or(low, |row| row.seq);
    }
    page.next = (top > low).then_some(Cursor(top));
    for row in &mut page.rows {
        row.call.attempts = read_listed_attempts(connection, row.seq)?;
    }
    let (first, end) = span_of_page(connection, search, page.next)?;
    page.not_kept = notes(connection, search, first, end)?;
    Ok(page)
}

fn read_slice(
    connection: &Connection,
    conditions: &Conditions,
    slice: std::ops::Range<i64>,
    limit: usize,
    page: &mut Page,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        concat!(
            "SELECT ",
            call_columns!(),
            " FROM calls WHERE seq >= ? AND seq < ?{} ORDER BY seq DESC LIMIT ?"
        ),
        conditions.sql
    ))?;
    let left = i64::try_from(limit.saturating_sub(page.rows.len())).unwrap_or(0);
    let values = [Value::Integer(slice.start), Value::Integer(slice.end)]
        .into_iter()
        .chain(conditions.values.iter().cloned())
        .chain([Value::Integer(left)]);
    for row in statement.query_map(params_from_iter(values), read_listed)? {
        page.rows.push(row?);
    }
    Ok(())
}

/// The filter as SQL, but for time and text.
#[derive(Debug, Default)]
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn of(filter: &Filter) -> Self {
        let mut all = Self::default();
        if !filter.outcomes.is_empty() {
            let marks = vec!["?"; filter.outcomes.len()].join(", ");
            all.add(&format!("outcome IN ({marks})"));
            all.values.extend(
                filter
                    .outcomes
                    .iter()
                    .map(|outcome| Value::Text(outcome.as_str().to_owned())),
            );
            if !filter.outcomes.contains(&Outcome::Ok) {
                // Says to the planner that the partial index holds all of them.
                all.add("outcome <> 'ok'");
            }
        }
        all.text("model = ?", filter.model.as_ref());
        all.text("key = ?", filter.key.as_ref());
        all.text(
            "(served_by = ? OR EXISTS (SELECT 1 FROM attempts WHERE place >= seq * 1024 \
             AND place < (seq + 1) * 1024 AND target = ?))",
            filter.target.as_ref(),
        );
        all.text(
            "(calls.code = ? OR EXISTS (SELECT 1 FROM attempts WHERE place >= seq * 1024 \
             AND place < (seq + 1) * 1024 AND attempts.code = ?))",
            filter.code.as_ref(),
        );
        if let Some(status) = filter.status {
            all.add(
                "(calls.status = ? OR EXISTS (SELECT 1 FROM attempts WHERE place >= seq * 1024 \
                 AND place < (seq + 1) * 1024 AND attempts.status = ?))",
            );
            let status = Value::Integer(i64::from(status));
            all.values.extend([status.clone(), status]);
        }
        all
    }

    fn add(&mut self, condition: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
    }

    fn text(&mut self, condition: &str, wanted: Option<&String>) {
        if let Some(wanted) = wanted {
            self.add(condition);
            for _ in condition.matches('?') {
                self.values.push(Value::Text(wanted.clone()));
            }
        }
    }

    fn among(&mut self, seqs: &[i64]) {
        self.add("seq IN (SELECT value FROM json_each(?))");
        self.values.push(Value::Text(format!("{seqs:?}")));
    }
}

/// The calls of which an id begins with the text.
fn matches(connection: &Connection, text: &str) -> Result<Vec<i64>, StoreError> {
    // Our own ids are upper case behind the underscore; people type them as they like.
    let own = match text.get(..4) {
        Some(start) if start.eq_ignore_ascii_case("req_") => {
            format!("req_{}", text.get(4..).unwrap_or_default().to_uppercase())
        }
        _ => text.to_owned(),
    };
    let mut found = Vec::new();
    for (sql, start) in [
        (
            "SELECT seq FROM calls WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?",
            own.as_str(),
        ),
        (
            "SELECT seq FROM calls WHERE client_request_id IS NOT NULL AND client_request_id >= ? \
             AND client_request_id < ? LIMIT ?",
            text,
        ),
        (
            "SELECT place / 1024 FROM attempts WHERE upstream_request_id IS NOT NULL \
             AND upstream_request_id >= ? AND upstream_request_id < ? LIMIT ?",
            text,
        ),
    ] {
        let mut statement = connection.prepare_cached(sql)?;
        let end = format!("{start}\u{10FFFF}");
        for seq in statement.query_map((start, end, MOST_MATCHES), |row| row.get(0))? {
            found.push(seq?);
        }
    }
    Ok(found)
}

/// The first and the last row's place; none in an empty table.
fn ends(connection: &Connection) -> Result<Option<(i64, i64)>, StoreError> {
    // Two queries, each a step in the tree; one with both would read every row.
    let oldest: Option<i64> = connection
        .prepare_cached("SELECT min(seq) FROM calls")?
        .query_row([], |row| row.get(0))?;
    let newest: Option<i64> = connection
        .prepare_cached("SELECT max(seq) FROM calls")?
        .query_row([], |row| row.get(0))?;
    Ok(oldest.zip(newest))
}

/// The place of the first row stored at that time or later, found by halving: `stored` never falls with `seq`.
fn first_at(
    connection: &Connection,
    millis: u64,
    oldest: i64,
    newest: i64,
) -> Result<i64, StoreError> {
    let (mut low, mut high) = (oldest, newest + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        match stored_from(connection, middle)? {
            Some((seq, stored)) if stored < millis => low = seq + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The first row at this place or behind it, and when it was stored.
fn stored_from(connection: &Connection, seq: i64) -> Result<Option<(i64, u64)>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT seq, stored FROM calls WHERE seq >= ? ORDER BY seq LIMIT 1")?;
    let mut rows = statement.query([seq])?;
    match rows.next()? {
        Some(row) => Ok(Some((row.get(0)?, unsigned(row.get(1)?)))),
        None => Ok(None),
    }
}

fn oldest_second(search: &Search<'_>) -> u64 {
    search.filter.since.unwrap_or(0) / 1_000
}

/// The seconds that a page tells of. Each second belongs to one page: the one on which its first row lies.
fn span_of_page(
    connection: &Connection,
    search: &Search<'_>,
    next: Option<Cursor>,
) -> Result<(u64, u64), StoreError> {
    let second_of = |cursor: Cursor| -> Result<Option<u64>, StoreError> {
        Ok(stored_from(connection, cursor.0)?.map(|(_, stored)| stored / 1_000))
    };
    let first = match next {
        Some(cursor) => second_of(cursor)?.unwrap_or(0),
        None => oldest_second(search),
    };
    let mut end = search
        .filter
        .until
        .map_or(u64::MAX, |until| until.div_ceil(1_000));
    if let Some(cursor) = search.before {
        end = end.min(second_of(cursor)?.unwrap_or(u64::MAX));
    }
    Ok((first, end))
}

fn notes(
    connection: &Connection,
    search: &Search<'_>,
    first: u64,
    end: u64,
) -> Result<Vec<NotKept>, StoreError> {
    let wanted = &search.filter.outcomes;
    let mut notes = counts::not_kept(connection, first, end, MOST_NOTES)?;
    notes.retain(|note| {
        wanted.is_empty() || wanted.iter().any(|outcome| outcome.class() == note.class)
    });
    Ok(notes)
}

/// The SQL above spells [`PLACES`] out.
const _: () = assert!(PLACES == 1_024);
