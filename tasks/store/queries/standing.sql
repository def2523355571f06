-- The recorded files; $export_id: those that this export wrote are `wanted`. `options`: what an export of their manifest needs to
-- write them again, where its newest one has another layout or format.
WITH newest AS (
    SELECT manifest_path, output_path, arg_max(organized_by, id) AS organized_by, arg_max(format, id) AS format
    FROM sp404_exports
    GROUP BY ALL
)
SELECT
    o.output_path, o.path, o.output_bytes, o.file_hash, o.metadata_hash, o.manifest_path, o.export_id,
    $export_id IS NULL OR o.output_path || '/' || o.path IN (
        SELECT concat_ws('/', e.output_path, nullif(s.output_subfolder, ''), s.output_filename)
        FROM sp404_export_samples AS s
        JOIN sp404_exports AS e ON e.id = s.export_id
        WHERE s.export_id = $export_id AND s.conversion_successful
    ) AS wanted,
    concat_ws(
        ' ',
        CASE WHEN o.organized_by != newest.organized_by THEN '--organize-by ' || o.organized_by END,
        CASE WHEN o.format != newest.format THEN '--format ' || o.format END
    ) AS options
FROM outputs AS o
LEFT JOIN newest USING (manifest_path, output_path)
ORDER BY o.output_path, o.path;
