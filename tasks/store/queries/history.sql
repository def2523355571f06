SELECT
    e.id, e.created_at, e.export_type, e.organized_by, e.format, e.sample_count,
    count(*) FILTER (s.status = 'exported') AS exported,
    count(*) FILTER (s.status = 'unchanged') AS unchanged,
    count(*) FILTER (s.status = 'rejected') AS rejected,
    count(*) FILTER (s.status = 'failed') AS failed,
    count(*) FILTER (s.reason = 'not_reached') AS not_reached,
    e.total_size_bytes, e.export_duration_seconds, e.output_path, e.manifest_path, e.label,
    coalesce(e.trouble, CASE WHEN e.finished_at IS NULL THEN 'Not finished: the same command resumes it' END) AS trouble
FROM sp404_exports AS e
LEFT JOIN sp404_export_samples AS s ON s.export_id = e.id
WHERE ($user_id IS NULL OR e.user_id = $user_id)
  AND ($export_id IS NULL OR e.id = $export_id)
  AND ($library IS NULL OR contains(lower(e.manifest_path), lower($library)))
GROUP BY ALL
ORDER BY e.created_at DESC, e.id DESC
LIMIT $most;
