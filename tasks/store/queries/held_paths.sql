-- Who was the last to write each path below an output folder, from which source and which manifest.
SELECT
    CASE WHEN s.output_subfolder = '' THEN '' ELSE s.output_subfolder || '/' END || s.output_filename AS path,
    s.sample_id AS sample_id,
    s.source_path AS source,
    e.manifest_path = $manifest_path AS same_manifest
FROM sp404_export_samples AS s
JOIN sp404_exports AS e ON e.id = s.export_id
WHERE e.output_path = $output_path AND s.conversion_successful
QUALIFY row_number() OVER (PARTITION BY path ORDER BY s.export_id DESC, s.sample_id) = 1;
