SELECT source_path AS file, error_message AS why, fix AS "what to do", manifest_line AS line, sample_id AS sample, status
FROM sp404_export_samples
WHERE export_id = $export_id AND NOT conversion_successful
ORDER BY manifest_line, id
LIMIT $most;
