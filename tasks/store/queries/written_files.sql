-- All that exports ever wrote to the paths of `wanted`, byte for byte: each hash once, as of the last export that wrote it, if
-- possible one to this output folder. `stale` as in card_files.sql.
WITH written AS (
    SELECT
        concat_ws('/', nullif(s.output_subfolder, ''), s.output_filename) AS path, s.file_hash, s.output_bytes, s.export_id,
        e.output_path, e.manifest_path, s.source_path, s.settings_hash, e.organized_by, e.format
    FROM sp404_export_samples AS s JOIN sp404_exports AS e ON e.id = s.export_id
    UNION ALL BY NAME
    SELECT
        path, file_hash, output_bytes, export_id, output_path, manifest_path, source_path, settings_hash, organized_by, format
    FROM outputs
)
SELECT w.*, o.file_hash IS DISTINCT FROM w.file_hash AS stale
FROM written AS w
JOIN wanted USING (path)
LEFT JOIN outputs AS o ON o.output_path = w.output_path AND o.path = w.path
WHERE w.file_hash IS NOT NULL AND w.source_path IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY w.path, w.file_hash ORDER BY w.output_path = $output_path DESC, w.export_id DESC
) = 1
ORDER BY w.path, w.file_hash;
