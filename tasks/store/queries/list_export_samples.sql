SELECT
    sample_id, manifest_line AS line, status,
    CASE WHEN conversion_successful THEN concat_ws('/', nullif(output_subfolder, ''), output_filename) END AS path,
    bank, pad, output_bytes AS bytes, conversion_seconds AS seconds, reason, error_message AS error, fix, warning,
    count(*) OVER () AS total
FROM sp404_export_samples
WHERE export_id = $export_id
ORDER BY manifest_line, id
LIMIT $most OFFSET $skip;
