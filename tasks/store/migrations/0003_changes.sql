-- What stands in each output folder, as far as this database had it written: one row a file. A later export tells by it
-- what is unchanged. Levels are linear, full scale is 1.0; hashes are BLAKE3.

ALTER TABLE sp404_exports ADD COLUMN finished_at TIMESTAMP;
ALTER TABLE sp404_exports ADD COLUMN identity VARCHAR;
ALTER TABLE sp404_exports ADD COLUMN warning VARCHAR;
ALTER TABLE sp404_exports ADD COLUMN mount_point VARCHAR;
ALTER TABLE sp404_export_samples ADD COLUMN content_hash VARCHAR;
ALTER TABLE sp404_export_samples ADD COLUMN settings_hash VARCHAR;
ALTER TABLE sp404_export_samples ADD COLUMN file_hash VARCHAR;
UPDATE sp404_exports SET finished_at = created_at;

-- The result parts (<database>.runs) that are in the records.
CREATE TABLE export_parts (export_id BIGINT NOT NULL, part VARCHAR NOT NULL);

CREATE TABLE outputs (
    output_path VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    export_id BIGINT NOT NULL,
    manifest_path VARCHAR NOT NULL,
    organized_by VARCHAR NOT NULL,
    format VARCHAR NOT NULL,
    sample_id BIGINT NOT NULL,
    source_path VARCHAR NOT NULL,
    settings_hash VARCHAR,
    facts VARCHAR,
    source_peak DOUBLE,
    status VARCHAR NOT NULL,
    error_message VARCHAR,
    reason VARCHAR,
    fix VARCHAR,
    output_bytes BIGINT NOT NULL,
    output_frames BIGINT NOT NULL,
    output_channels BIGINT,
    conversion_seconds DOUBLE NOT NULL,
    sound_changes VARCHAR,
    warning VARCHAR,
    content_hash VARCHAR,
    source_hash VARCHAR,
    output_hash VARCHAR,
    file_hash VARCHAR,
    metadata_hash VARCHAR,
    moved_from VARCHAR,
    source_format VARCHAR,
    source_subtype VARCHAR,
    source_rate_hz BIGINT,
    source_channels BIGINT,
    source_bytes BIGINT,
    source_mtime_ns BIGINT,
    source_ctime_ns BIGINT,
    source_frames BIGINT,
    peak DOUBLE,
    true_peak DOUBLE,
    overs BIGINT,
    rms DOUBLE,
    dc DOUBLE,
    leading_silence_ms DOUBLE
);
-- What earlier versions wrote: whose it is. It has no hashes, and so it is converted once more.
INSERT INTO outputs BY NAME
SELECT
    e.output_path,
    CASE WHEN s.output_subfolder = '' THEN '' ELSE s.output_subfolder || '/' END || s.output_filename AS path,
    e.id AS export_id, e.manifest_path, e.organized_by, e.format, s.sample_id, s.source_path, s.status,
    s.output_bytes, s.output_frames, s.conversion_seconds
FROM sp404_export_samples AS s
JOIN sp404_exports AS e ON e.id = s.export_id
WHERE s.conversion_successful AND s.sample_id IS NOT NULL AND s.source_path IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY e.output_path, path ORDER BY s.export_id DESC, s.sample_id) = 1;
