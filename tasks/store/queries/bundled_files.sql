-- Several rows can share one file. Of what an export found unchanged the hash stands in outputs alone; and so does that of
-- every metadata file, of which files of one name but for the extension share one: it is that of the last that was written.
WITH asked AS (
    SELECT
        concat_ws('/', nullif(output_subfolder, ''), output_filename) AS path,
        any_value(output_bytes) AS output_bytes,
        any_value(file_hash) AS file_hash,
        bool_or(status = 'unchanged') AS was_there
    FROM sp404_export_samples
    WHERE export_id = $export_id AND conversion_successful
    GROUP BY path
),
standing AS (
    SELECT path, export_id, file_hash, metadata_hash, regexp_replace(path, '\.[^./]*$', '') AS stem
    FROM outputs
    WHERE output_path = $output_path
),
texts AS (
    SELECT stem, max(export_id) AS export_id, max_by(metadata_hash, export_id) AS metadata_hash
    FROM standing
    WHERE metadata_hash IS NOT NULL
    GROUP BY stem
)
SELECT
    a.path, a.output_bytes,
    coalesce(a.file_hash, s.file_hash) AS file_hash,
    CASE WHEN s.metadata_hash IS NOT NULL THEN t.metadata_hash END AS metadata_hash,
    -- An export that was killed and resumed has a lower number than others that ended before it.
    CASE WHEN w.id > e.id AND w.finished_at > e.finished_at THEN w.id END AS replaced_by,
    s.path IS NULL AND (a.was_there OR a.file_hash IS NOT NULL) AS gone
FROM asked AS a
LEFT JOIN standing AS s ON s.path = a.path
LEFT JOIN texts AS t ON t.stem = s.stem
LEFT JOIN sp404_exports AS e ON e.id = $export_id
LEFT JOIN sp404_exports AS w
    ON w.id = greatest(s.export_id, CASE WHEN s.metadata_hash IS NOT NULL THEN t.export_id END)
ORDER BY a.path;
