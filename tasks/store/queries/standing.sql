SELECT
    o.output_path, o.path, o.output_bytes, o.file_hash, o.metadata_hash, o.manifest_path,
    $export_id IS NULL OR o.output_path || '/' || o.path IN (
        SELECT concat_ws('/', e.output_path, nullif(s.output_subfolder, ''), s.output_filename)
        FROM sp404_export_samples AS s
        JOIN sp404_exports AS e ON e.id = s.export_id
        WHERE s.export_id = $export_id AND s.conversion_successful
    ) AS wanted
FROM outputs AS o
ORDER BY o.output_path, o.path;
