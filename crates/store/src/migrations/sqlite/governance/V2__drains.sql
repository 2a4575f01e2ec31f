CREATE TABLE drains (
    name   TEXT PRIMARY KEY, -- a provider, provider/model, or an upstream's URL
    since  INTEGER NOT NULL, -- milliseconds since 1970
    until  INTEGER,          -- none: until it is resumed by hand
    reason TEXT
) WITHOUT ROWID;
