-- What scans found. A file's own facts, so that the next scan reads only what changed; times are 0 where they cannot be trusted.
-- header, guesses and heard are JSON: what the file says, what was inferred of it by which rules, and what its sound told.

CREATE TABLE scanned_files (
    path VARCHAR NOT NULL,
    bytes BIGINT NOT NULL,
    mtime_ns BIGINT NOT NULL,
    ctime_ns BIGINT NOT NULL,
    header VARCHAR,
    trouble VARCHAR,
    fix VARCHAR,
    rules VARCHAR,
    guesses VARCHAR,
    heard VARCHAR
);
-- What a scan wrote into a manifest: what stands there now and is something else was edited by a person.
CREATE TABLE scanned_rows (
    manifest_path VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    signature VARCHAR,
    title VARCHAR,
    genre VARCHAR,
    bpm VARCHAR,
    musical_key VARCHAR,
    tags VARCHAR,
    kind VARCHAR,
    kit VARCHAR,
    bank VARCHAR,
    pad VARCHAR
);
