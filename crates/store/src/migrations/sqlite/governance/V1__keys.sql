CREATE TABLE keys (
    id      TEXT PRIMARY KEY,
    hash    BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    hint    TEXT NOT NULL,
    created INTEGER NOT NULL, -- milliseconds since 1970, as all times here
    expires INTEGER,
    revoked INTEGER
) WITHOUT ROWID;
