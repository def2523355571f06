SELECT
    CASE WHEN output_subfolder = '' THEN '' ELSE output_subfolder || '/' END || output_filename AS path,
    source_path, conversion_seconds AS seconds, output_bytes AS bytes
FROM sp404_export_samples
WHERE export_id = $export_id AND status = 'exported' AND owns_output
ORDER BY conversion_seconds DESC, path
LIMIT $most;
