SELECT
    output_subfolder AS bucket,
    count(*) FILTER (owns_output) AS files,
    coalesce(sum(output_bytes) FILTER (owns_output), 0)::BIGINT AS bytes
FROM sp404_export_samples
WHERE export_id = $export_id AND conversion_successful
GROUP BY ALL
ORDER BY bucket;
