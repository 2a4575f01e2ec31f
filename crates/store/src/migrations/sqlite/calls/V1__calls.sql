-- Times are milliseconds since 1970, durations say their unit. Nothing of a prompt or an answer has a column.
CREATE TABLE calls (
    seq                INTEGER PRIMARY KEY, -- order of arrival
    id                 TEXT NOT NULL,
    stored             INTEGER NOT NULL,    -- never falls with seq: times are found by halving
    began              INTEGER NOT NULL,
    key                TEXT,
    lane               TEXT NOT NULL,
    method             TEXT NOT NULL,
    path               TEXT NOT NULL,
    dialect            TEXT,
    model              TEXT,
    served_by          TEXT,
    outcome            TEXT NOT NULL,
    status             INTEGER,
    code               TEXT,
    code_group         TEXT,
    origin             TEXT,
    stop_reason        TEXT,
    stream             INTEGER NOT NULL,
    output_sent        INTEGER NOT NULL,
    ttft_ms            INTEGER,
    total_ms           INTEGER NOT NULL,
    gateway_us         INTEGER,
    input              INTEGER,
    output             INTEGER,
    cache_read         INTEGER,
    cache_write        INTEGER,
    reasoning          INTEGER,
    cost_nano_usd      INTEGER,
    certainty          TEXT NOT NULL,
    request_bytes      INTEGER NOT NULL,
    response_bytes     INTEGER NOT NULL,
    client_request_id  TEXT,
    client_agent       TEXT,
    client_retry_count INTEGER,
    demo               INTEGER NOT NULL,
    details            TEXT,                -- JSON, read with the whole call only
    error_json         TEXT
);
CREATE UNIQUE INDEX calls_id ON calls (id);
CREATE INDEX calls_client_request_id ON calls (client_request_id) WHERE client_request_id IS NOT NULL;
CREATE INDEX calls_not_ok ON calls (outcome) WHERE outcome <> 'ok';

CREATE TABLE attempts (
    place               INTEGER PRIMARY KEY, -- the call's seq * 1024 + n: a call's attempts lie side by side
    target              TEXT NOT NULL,
    credential          TEXT,
    at_ms               INTEGER NOT NULL,
    ms                  INTEGER NOT NULL,
    status              INTEGER,
    code                TEXT,
    code_group          TEXT,
    origin              TEXT,
    evidence            TEXT,
    full_line           TEXT,
    dns_us              INTEGER,
    connect_us          INTEGER,
    tls_us              INTEGER,
    sent_us             INTEGER,
    first_byte_us       INTEGER,
    first_token_us      INTEGER,
    end_us              INTEGER,
    next                TEXT NOT NULL,
    next_reason         TEXT,
    upstream_request_id TEXT,
    made_by             TEXT,
    processed           TEXT,
    bytes_sent          INTEGER NOT NULL,
    bytes_received      INTEGER NOT NULL,
    reused              INTEGER NOT NULL,
    peer                TEXT,
    evidence_json       TEXT                 -- read with the whole call only
);
CREATE INDEX attempts_upstream_request_id ON attempts (upstream_request_id) WHERE upstream_request_id IS NOT NULL;

-- Exact sums, whatever rows are dropped. span: 60, 3600 or 86400 seconds; older times are kept more coarsely.
CREATE TABLE counts (
    span          INTEGER NOT NULL,
    start         INTEGER NOT NULL, -- seconds since 1970
    outcome       TEXT NOT NULL,
    demo          INTEGER NOT NULL,
    model         TEXT NOT NULL,    -- '' for none, as key
    key           TEXT NOT NULL,
    calls         INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    input         INTEGER NOT NULL,
    output        INTEGER NOT NULL,
    cache_read    INTEGER NOT NULL,
    cache_write   INTEGER NOT NULL,
    reasoning     INTEGER NOT NULL,
    cost_nano_usd INTEGER NOT NULL,
    PRIMARY KEY (span, start, outcome, demo, model, key)
) WITHOUT ROWID;

-- Calls that were counted but of which no row was kept.
CREATE TABLE not_kept (
    second INTEGER NOT NULL, -- since 1970
    class  TEXT NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (second, class)
) WITHOUT ROWID;

-- Their sum for good: the seconds above are deleted with the rows around them.
CREATE TABLE not_kept_total (count INTEGER NOT NULL);
INSERT INTO not_kept_total (count) VALUES (0);
