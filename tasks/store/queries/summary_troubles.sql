SELECT manifest_line AS line, sample_id AS sample, status, error_message AS why, fix AS "what to do", source_path AS source
FROM sp404_export_samples
WHERE export_id = $export_id AND NOT conversion_successful
ORDER BY manifest_line, id
LIMIT $most;
