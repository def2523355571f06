SELECT status, reason, count(*) AS samples, any_value(error_message) AS example, any_value(source_path) AS file, any_value(fix) AS fix
FROM sp404_export_samples
WHERE export_id = $export_id AND NOT conversion_successful
GROUP BY status, reason
ORDER BY samples DESC, reason
LIMIT $most;
