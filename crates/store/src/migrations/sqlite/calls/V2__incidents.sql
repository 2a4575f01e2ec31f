-- Failures of one cause at one target, grouped. Times are milliseconds since 1970; ended is null while it lasts.
CREATE TABLE incidents (
    number     INTEGER PRIMARY KEY,
    target     TEXT NOT NULL,
    code       TEXT NOT NULL,
    code_group TEXT NOT NULL,
    started    INTEGER NOT NULL, -- the first failure
    latest     INTEGER NOT NULL, -- the last one so far
    ended      INTEGER,
    closed_by  TEXT,
    attempts   INTEGER NOT NULL,
    calls      INTEGER NOT NULL,
    saved      INTEGER NOT NULL,
    lost       INTEGER NOT NULL,
    evidence   TEXT,
    last_call  TEXT
);
CREATE INDEX incidents_cause ON incidents (target, code, started);
CREATE INDEX incidents_open ON incidents (number) WHERE ended IS NULL;
