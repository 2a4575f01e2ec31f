//! Writes and reads the rows of calls and their attempts.

use std::net::SocketAddr;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use types::{CallId, CredentialId, KeyId, NanoUsd, TokenUsage};

use super::columns::{Columns, int, micros, opt};
use crate::error::StoreError;
use crate::row::{AttemptRow, CallDetails, CallRow, Certainty, Kept, Outcome, Phases};

/// Attempts of one call lie between `seq * PLACES` and `(seq + 1) * PLACES`.
pub(crate) const PLACES: i64 = 1_024;

/// The columns of a list, in the order in which [`read_call`] takes them.
macro_rules! call_columns {
    () => {
        "seq, stored, id, began, key, lane, method, path, dialect, model, served_by, outcome, status, code, \
         code_group, origin, stop_reason, stream, output_sent, ttft_ms, total_ms, gateway_us, input, output, \
         cache_read, cache_write, reasoning, cost_nano_usd, certainty, request_bytes, response_bytes, \
         client_request_id, client_agent, client_retry_count, demo"
    };
}
pub(super) use call_columns;

/// The columns of an attempt, in the order in which [`read_attempt`] takes them.
macro_rules! attempt_columns {
    () => {
        "place, target, credential, at_ms, ms, status, code, code_group, origin, evidence, full_line, dns_us, \
         connect_us, tls_us, sent_us, first_byte_us, first_token_us, end_us, next, next_reason, \
         upstream_request_id, made_by, processed, bytes_sent, bytes_received, reused, peer"
    };
}

/// Inserts rows, one transaction long: statements are looked up once, not for each row.
pub(crate) struct Inserts<'c> {
    calls: CachedStatement<'c>,
    attempts: CachedStatement<'c>,
    /// The peer of the attempt before, which is mostly that of the next as well, and its text.
    peer: Option<(SocketAddr, String)>,
    /// The same of a call's details, which are mostly those of its alias.
    details: (CallDetails, Option<String>),
}

impl<'c> Inserts<'c> {
    pub(crate) fn prepare(connection: &'c Connection) -> Result<Self, StoreError> {
        let calls = connection.prepare_cached(concat!(
            "INSERT OR IGNORE INTO calls (",
            call_columns!(),
            ", details, error_json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
             ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ))?;
        let attempts = connection.prepare_cached(concat!(
            "INSERT OR IGNORE INTO attempts (",
            attempt_columns!(),
            ", evidence_json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
             ?, ?, ?)"
        ))?;
        Ok(Self {
            calls,
            attempts,
            peer: None,
            details: (CallDetails::default(), None),
        })
    }

    /// Inserts a call and its attempts. A second row of the same id is left out.
    pub(crate) fn insert(
        &mut self,
        seq: i64,
        stored_millis: u64,
        call: &CallRow,
    ) -> Result<(), StoreError> {
        if call.details != self.details.0 {
            let told = Some(&call.details).filter(|told| **told != CallDetails::default());
            let text = told.map(serde_json::to_string).transpose();
            let text = text.map_err(|error| StoreError::Corrupt {
                what: error.to_string(),
            })?;
            self.details = (call.details.clone(), text);
        }
        let added = self.calls.execute(params![
            seq,
            int(stored_millis),
            call.id.write().as_str(),
            int(call.unix_millis),
            call.key.as_ref().map(KeyId::as_str),
            call.lane,
            call.method,
            call.path,
            call.dialect,
            call.model,
            call.served_by,
            call.outcome.as_str(),
            call.status,
            call.code,
            call.group,
            call.origin,
            call.stop_reason,
            call.stream,
            call.output_sent,
            opt(call.ttft_ms),
            int(call.total_ms),
            opt(call.gateway_us),
            opt(call.usage.input),
            opt(call.usage.output),
            opt(call.usage.cache_read),
            opt(call.usage.cache_write),
            opt(call.usage.reasoning),
            opt(call.cost.map(NanoUsd::as_nanos)),
            call.certainty.as_str(),
            int(call.request_bytes),
            int(call.response_bytes),
            call.client_request_id,
            call.client_agent,
            call.client_retry_count,
            call.demo,
            self.details.1,
            call.error_json,
        ])?;
        if added == 0 {
            return Ok(());
        }
        for attempt in &call.attempts {
            self.insert_attempt(seq, attempt)?;
        }
        Ok(())
    }

    fn insert_attempt(&mut self, seq: i64, attempt: &AttemptRow) -> Result<(), StoreError> {
        let place = seq * PLACES + i64::from(attempt.n).min(PLACES - 1);
        if self.peer.as_ref().map(|(peer, _)| *peer) != attempt.peer {
            self.peer = attempt.peer.map(|peer| (peer, peer.to_string()));
        }
        let phases = &attempt.phases;
        self.attempts.execute(params![
            place,
            attempt.target,
            attempt.credential.as_ref().map(CredentialId::as_str),
            int(attempt.at_ms),
            int(attempt.ms),
            attempt.status,
            attempt.code,
            attempt.group,
            attempt.origin,
            attempt.evidence,
            attempt.full_line,
            micros(phases.dns),
            micros(phases.connect),
            micros(phases.tls),
            micros(phases.sent),
            micros(phases.first_byte),
            micros(phases.first_token),
            micros(phases.end),
            attempt.next,
            attempt.next_reason,
            attempt.upstream_request_id,
            attempt.made_by,
            attempt.processed,
            int(attempt.bytes_sent),
            int(attempt.bytes_received),
            attempt.reused,
            self.peer.as_ref().map(|(_, text)| text),
            attempt.evidence_json,
        ])?;
        Ok(())
    }
}

/// Reads a call whole.
pub(crate) fn get(connection: &Connection, id: CallId) -> Result<Option<Kept>, StoreError> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        call_columns!(),
        ", details, error_json FROM calls WHERE id = ?"
    ))?;
    let found = statement
        .query_row([id.write().as_str()], |row| {
            let mut columns = Columns::of(row);
            let mut kept = read_call(&mut columns)?;
            let details: Option<String> = columns.take()?;
            kept.call.error_json = columns.take()?;
            Ok((kept, details))
        })
        .optional()?;
    let Some((mut kept, details)) = found else {
        return Ok(None);
    };
    if let Some(text) = details {
        kept.call.details = serde_json::from_str(&text).map_err(|error| StoreError::Corrupt {
            what: format!("details of {id}: {error}"),
        })?;
    }
    let seq = kept.seq;
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        attempt_columns!(),
        ", evidence_json FROM attempts WHERE place >= ? AND place < ? ORDER BY place"
    ))?;
    kept.call.attempts = statement
        .query_map([seq * PLACES, (seq + 1) * PLACES], |row| {
            let mut columns = Columns::of(row);
            let mut attempt = read_attempt(&mut columns)?;
            attempt.evidence_json = columns.take()?;
            Ok(attempt)
        })?
        .collect::<Result<_, _>>()?;
    Ok(Some(kept))
}

/// A call as lists show it; its attempts are still missing.
pub(crate) fn read_listed(row: &Row<'_>) -> rusqlite::Result<Kept> {
    read_call(&mut Columns::of(row))
}

/// The attempts of a call as lists show them.
pub(crate) fn read_listed_attempts(
    connection: &Connection,
    seq: i64,
) -> Result<Vec<AttemptRow>, StoreError> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        attempt_columns!(),
        " FROM attempts WHERE place >= ? AND place < ? ORDER BY place"
    ))?;
    let attempts = statement
        .query_map([seq * PLACES, (seq + 1) * PLACES], |row| {
            read_attempt(&mut Columns::of(row))
        })?
        .collect::<Result<_, _>>()?;
    Ok(attempts)
}

fn read_call(columns: &mut Columns<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        seq: columns.take()?,
        stored_millis: columns.number()?,
        call: CallRow {
            id: columns.parsed(CallId::parse)?,
            unix_millis: columns.number()?,
            key: columns.label()?.map(|name| KeyId::new(&name)),
            lane: columns.word()?,
            method: columns.word()?,
            path: columns.take()?,
            dialect: columns.maybe_word()?,
            model: columns.label()?,
            served_by: columns.label()?,
            outcome: columns.parsed(Outcome::parse)?,
            status: columns.take()?,
            code: columns.maybe_word()?,
            group: columns.maybe_word()?,
            origin: columns.maybe_word()?,
            stop_reason: columns.maybe_word()?,
            stream: columns.take()?,
            output_sent: columns.take()?,
            ttft_ms: columns.maybe()?,
            total_ms: columns.number()?,
            gateway_us: columns.maybe()?,
            usage: TokenUsage {
                input: columns.maybe()?,
                output: columns.maybe()?,
                cache_read: columns.maybe()?,
                cache_write: columns.maybe()?,
                reasoning: columns.maybe()?,
            },
            cost: columns.maybe()?.map(NanoUsd::new),
            certainty: columns.parsed(|text| Some(Certainty::parse(text)))?,
            request_bytes: columns.number()?,
            response_bytes: columns.number()?,
            client_request_id: columns.take()?,
            client_agent: columns.take()?,
            client_retry_count: columns.take()?,
            demo: columns.take()?,
            details: CallDetails::default(),
            error_json: None,
            attempts: Vec::new(),
        },
    })
}

fn read_attempt(columns: &mut Columns<'_>) -> rusqlite::Result<AttemptRow> {
    let place: i64 = columns.take()?;
    Ok(AttemptRow {
        n: u32::try_from(place.rem_euclid(PLACES)).unwrap_or(0),
        target: columns.label()?.unwrap_or_default(),
        credential: columns.label()?.map(|name| CredentialId::new(&name)),
        at_ms: columns.number()?,
        ms: columns.number()?,
        status: columns.take()?,
        code: columns.maybe_word()?,
        group: columns.maybe_word()?,
        origin: columns.maybe_word()?,
        evidence: columns.take()?,
        full_line: columns.take()?,
        evidence_json: None,
        phases: Phases {
            dns: columns.duration()?,
            connect: columns.duration()?,
            tls: columns.duration()?,
            sent: columns.duration()?,
            first_byte: columns.duration()?,
            first_token: columns.duration()?,
            end: columns.duration()?,
        },
        next: columns.word()?,
        next_reason: columns.maybe_word()?,
        upstream_request_id: columns.take()?,
        made_by: columns.maybe_word()?,
        processed: columns.maybe_word()?,
        bytes_sent: columns.number()?,
        bytes_received: columns.number()?,
        reused: columns.take()?,
        peer: columns
            .take::<Option<String>>()?
            .and_then(|text| text.parse().ok()),
    })
}
