WITH written AS (
    SELECT e.manifest_path, s.source_path, max(s.export_id) AS export_id
    FROM sp404_export_samples AS s
    JOIN sp404_exports AS e ON e.id = s.export_id
    WHERE $failed_only AND s.conversion_successful
    GROUP BY ALL
),
-- The same by the sample's id, which stays where a file was moved.
written_sample AS (
    SELECT e.manifest_path, s.sample_id, max(s.export_id) AS export_id
    FROM sp404_export_samples AS s
    JOIN sp404_exports AS e ON e.id = s.export_id
    WHERE $failed_only AND s.conversion_successful
    GROUP BY ALL
)
SELECT
    s.export_id, s.sample_id, s.manifest_line, s.status, s.output_subfolder, s.output_filename,
    s.error_message, s.fix, s.warning, e.output_path, e.created_at, s.reason, s.source_path, e.manifest_path,
    e.organized_by, e.format,
    CASE
        WHEN greatest(written.export_id, written_sample.export_id) > s.export_id
        THEN greatest(written.export_id, written_sample.export_id)
    END AS exported_since
FROM sp404_export_samples AS s
JOIN sp404_exports AS e ON e.id = s.export_id
LEFT JOIN written ON written.manifest_path = e.manifest_path AND written.source_path = s.source_path
LEFT JOIN written_sample ON written_sample.manifest_path = e.manifest_path AND written_sample.sample_id = s.sample_id
WHERE ($user_id IS NULL OR e.user_id = $user_id)
  AND ($export_id IS NULL OR s.export_id = $export_id)
  AND ($sample_id IS NULL OR s.sample_id = $sample_id)
  AND (NOT $failed_only OR NOT s.conversion_successful)
  AND ($status IS NULL OR s.status = $status)
  AND ($reason IS NULL OR s.reason = $reason)
  AND ($warning IS NULL OR contains(lower(s.warning), lower($warning)))
  AND ($file IS NULL OR contains(lower(s.source_path), lower($file)))
  AND ($library IS NULL OR contains(lower(e.manifest_path), lower($library)))
ORDER BY s.export_id DESC, s.manifest_line, s.id
LIMIT $most;
