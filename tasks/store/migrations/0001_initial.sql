-- The seed's tables and columns by name (contract, section 5), and what this project adds to them.
-- No foreign keys (DuckDB cannot delete child and parent in one transaction), no secondary indexes; there is one
-- writer, and the statements of tasks/store keep ids unique. Times are UTC.

CREATE TABLE schema_version (version INTEGER NOT NULL);

CREATE SEQUENCE export_ids;
CREATE SEQUENCE export_sample_ids;

CREATE TABLE users (id BIGINT NOT NULL, name VARCHAR NOT NULL);
INSERT INTO users VALUES (1, 'default');

-- NULL is "not set": the value then comes from config/*.toml or the built-in defaults.
CREATE TABLE user_preferences (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sp404_export_format VARCHAR,
    sp404_default_organization VARCHAR,
    sp404_sanitize_filenames BOOLEAN,
    sp404_include_metadata BOOLEAN,
    sp404_export_base_path VARCHAR
);
INSERT INTO user_preferences (id) VALUES (1);

-- id is the manifest's sample_id, or was given once for the file's path (given_ids).
CREATE TABLE samples (
    id BIGINT NOT NULL,
    file_path VARCHAR NOT NULL,
    title VARCHAR NOT NULL,
    genre VARCHAR,
    bpm DOUBLE,
    musical_key VARCHAR,
    tags VARCHAR,
    source_format VARCHAR,
    source_subtype VARCHAR,
    source_rate_hz INTEGER,
    source_channels INTEGER,
    source_bytes BIGINT,
    source_mtime_ns BIGINT,
    updated_at TIMESTAMP NOT NULL
);
CREATE TABLE given_ids (file_path VARCHAR NOT NULL, id BIGINT NOT NULL);

CREATE TABLE kits (id BIGINT NOT NULL, name VARCHAR NOT NULL, created_at TIMESTAMP NOT NULL);
CREATE TABLE kit_samples (
    kit_id BIGINT NOT NULL,
    sample_id BIGINT NOT NULL,
    bank VARCHAR NOT NULL,
    pad INTEGER NOT NULL
);

CREATE TABLE sp404_exports (
    id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    export_type VARCHAR NOT NULL CHECK (export_type IN ('single', 'batch', 'kit')),
    sample_count BIGINT NOT NULL,
    output_path VARCHAR NOT NULL,
    organized_by VARCHAR NOT NULL,
    format VARCHAR NOT NULL,
    total_size_bytes BIGINT NOT NULL,
    export_duration_seconds DOUBLE NOT NULL,
    created_at TIMESTAMP NOT NULL,
    manifest_path VARCHAR NOT NULL,
    label VARCHAR NOT NULL,
    run_by VARCHAR NOT NULL,
    trouble VARCHAR
);

-- One row a manifest row. sample_id is NULL where a rejected row has none that can be read.
CREATE TABLE sp404_export_samples (
    id BIGINT NOT NULL DEFAULT nextval('export_sample_ids'),
    export_id BIGINT NOT NULL,
    sample_id BIGINT,
    output_filename VARCHAR,
    output_subfolder VARCHAR,
    conversion_successful BOOLEAN NOT NULL,
    error_message VARCHAR,
    status VARCHAR NOT NULL CHECK (status IN ('exported', 'unchanged', 'rejected', 'failed')),
    reason VARCHAR,
    fix VARCHAR,
    manifest_line BIGINT NOT NULL,
    source_path VARCHAR,
    genre VARCHAR,
    bpm_bucket VARCHAR,
    kit VARCHAR,
    bank VARCHAR,
    pad INTEGER,
    output_bytes BIGINT NOT NULL,
    output_frames BIGINT NOT NULL,
    conversion_seconds DOUBLE NOT NULL,
    -- Several rows can share one file: it is counted, and its bytes and seconds summed, where this is true.
    owns_output BOOLEAN NOT NULL,
    sound_changes VARCHAR
);

-- One row a broken rule; a rejected row can break several.
CREATE TABLE export_rejects (
    export_id BIGINT NOT NULL,
    manifest_line BIGINT NOT NULL,
    column_name VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    rule VARCHAR NOT NULL,
    fix VARCHAR NOT NULL
);

-- Per export, and in total where export_id is NULL.
CREATE VIEW export_stats AS
WITH facts AS (
    SELECT s.export_id, f.dimension, f.value, s.output_bytes, s.conversion_seconds, s.owns_output
    FROM sp404_export_samples AS s,
    LATERAL (VALUES
        ('status', s.status),
        ('reason', s.reason),
        ('genre', CASE WHEN s.status = 'rejected' THEN NULL ELSE coalesce(s.genre, 'unknown_genre') END),
        ('bpm_bucket', s.bpm_bucket),
        ('kit', s.kit)
    ) AS f(dimension, value)
    WHERE f.value IS NOT NULL
)
SELECT
    export_id,
    dimension,
    value,
    count(*) AS samples,
    coalesce(sum(output_bytes) FILTER (owns_output), 0)::BIGINT AS bytes,
    coalesce(sum(conversion_seconds) FILTER (owns_output), 0) AS seconds
FROM facts
GROUP BY GROUPING SETS ((export_id, dimension, value), (dimension, value));
