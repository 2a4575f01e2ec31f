//! Between Rust's types and SQLite's: unsigned numbers, durations and words.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Row;
use rusqlite::types::FromSql;

use crate::row::Word;

/// SQLite's integers are signed; what does not fit is kept as the greatest.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn opt(value: Option<u64>) -> Option<i64> {
    value.map(int)
}

pub(crate) fn micros(value: Option<Duration>) -> Option<i64> {
    value.map(|duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}

pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Reads a row's columns one after the other, so that one list of names is all that binds code and query.
pub(crate) struct Columns<'a> {
    row: &'a Row<'a>,
    next: usize,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(row: &'a Row<'a>) -> Self {
        Self { row, next: 0 }
    }

    pub(crate) fn take<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    pub(crate) fn number(&mut self) -> rusqlite::Result<u64> {
        Ok(unsigned(self.take()?))
    }

    pub(crate) fn maybe(&mut self) -> rusqlite::Result<Option<u64>> {
        Ok(self.take::<Option<i64>>()?.map(unsigned))
    }

    pub(crate) fn duration(&mut self) -> rusqlite::Result<Option<Duration>> {
        Ok(self.maybe()?.map(Duration::from_micros))
    }

    pub(crate) fn word(&mut self) -> rusqlite::Result<Word> {
        Ok(Cow::Owned(self.take()?))
    }

    pub(crate) fn maybe_word(&mut self) -> rusqlite::Result<Option<Word>> {
        Ok(self.take::<Option<String>>()?.map(Cow::Owned))
    }

    pub(crate) fn label(&mut self) -> rusqlite::Result<Option<Arc<str>>> {
        self.take()
    }

    /// A text that must parse.
    pub(crate) fn parsed<T>(
        &mut self,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> rusqlite::Result<T> {
        let at = self.next;
        let text: String = self.take()?;
        parse(&text).ok_or_else(|| {
            rusqlite::Error::FromSqlConversionFailure(
                at,
                rusqlite::types::Type::Text,
                format!("unexpected text {text:?}").into(),
            )
        })
    }
}
