SELECT
    s.export_id, s.sample_id, s.manifest_line, s.status, s.output_subfolder, s.output_filename,
    s.error_message, s.fix, s.warning, e.output_path, e.created_at, s.reason, s.source_path, e.manifest_path
FROM sp404_export_samples AS s
JOIN sp404_exports AS e ON e.id = s.export_id
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
