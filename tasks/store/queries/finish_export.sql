UPDATE sp404_exports SET
    total_size_bytes = (
        SELECT coalesce(sum(output_bytes) FILTER (owns_output), 0)
        FROM sp404_export_samples WHERE export_id = $export_id
    ),
    export_duration_seconds = $seconds,
    trouble = $trouble,
    warning = $warning,
    finished_at = $finished_at
WHERE id = $export_id;
