WITH counted AS (
    SELECT
        export_id,
        count(*) FILTER (status = 'exported') AS exported,
        count(*) FILTER (status = 'unchanged') AS unchanged,
        count(*) FILTER (status = 'rejected') AS rejected,
        count(*) FILTER (status = 'failed') AS failed,
        bool_or(sample_id = $sample_id) AS has_sample,
        bool_or(status = $status) AS has_status
    FROM sp404_export_samples
    GROUP BY export_id
)
SELECT
    e.id, e.user_id, e.created_at, e.finished_at, e.export_type, e.organized_by, e.format, e.sample_count,
    coalesce(c.exported, 0) AS exported, coalesce(c.unchanged, 0) AS unchanged,
    coalesce(c.rejected, 0) AS rejected, coalesce(c.failed, 0) AS failed,
    e.total_size_bytes, e.export_duration_seconds, e.output_path, e.manifest_path, e.label, e.trouble,
    count(*) OVER () AS total,
    (sum(e.sample_count) OVER ())::BIGINT AS total_samples,
    (sum(e.total_size_bytes) OVER ())::BIGINT AS total_bytes,
    sum(e.export_duration_seconds) OVER () AS total_seconds
FROM sp404_exports AS e LEFT JOIN counted AS c ON c.export_id = e.id
WHERE ($id IS NULL OR e.id = $id)
  AND ($user_id IS NULL OR e.user_id = $user_id)
  AND ($export_type IS NULL OR e.export_type = $export_type)
  AND ($organized_by IS NULL OR e.organized_by = $organized_by)
  AND ($sample_id IS NULL OR c.has_sample)
  AND ($status IS NULL OR c.has_status)
  AND ($text IS NULL OR contains(lower(concat_ws(chr(10), e.label, e.manifest_path, e.output_path)), lower($text)))
ORDER BY e.created_at DESC, e.id DESC
LIMIT $most OFFSET $skip;
