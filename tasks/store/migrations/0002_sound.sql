-- What was measured of each sample. Levels are in dB of full scale, before the last rounding; NULL for digital silence.
-- The hashes (BLAKE3) are of samples, not of files: equal where nothing was done to the sound.

ALTER TABLE samples ADD COLUMN source_frames BIGINT;

ALTER TABLE sp404_export_samples ADD COLUMN warning VARCHAR;
ALTER TABLE sp404_export_samples ADD COLUMN source_hash VARCHAR;
ALTER TABLE sp404_export_samples ADD COLUMN output_hash VARCHAR;
ALTER TABLE sp404_export_samples ADD COLUMN peak_dbfs DOUBLE;
ALTER TABLE sp404_export_samples ADD COLUMN true_peak_dbfs DOUBLE;
ALTER TABLE sp404_export_samples ADD COLUMN overs BIGINT;
ALTER TABLE sp404_export_samples ADD COLUMN rms_dbfs DOUBLE;
ALTER TABLE sp404_export_samples ADD COLUMN dc_offset DOUBLE;
ALTER TABLE sp404_export_samples ADD COLUMN leading_silence_ms DOUBLE;

-- Per export, and in total where export_id is NULL. A warning is counted without the figure that it ends in.
CREATE OR REPLACE VIEW export_stats AS
WITH facts AS (
    SELECT s.export_id, f.dimension, f.value, s.output_bytes, s.conversion_seconds, s.owns_output
    FROM sp404_export_samples AS s,
    LATERAL (VALUES
        ('status', s.status),
        ('reason', s.reason),
        ('warning', split_part(s.warning, ': ', 1)),
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
