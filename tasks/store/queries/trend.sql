-- One row an export, the oldest first: the newest $most of them.
SELECT * FROM (
    SELECT
        e.id, e.created_at, e.output_path, e.manifest_path,
        coalesce(sum(t.samples), 0)::BIGINT AS samples,
        coalesce(sum(t.samples) FILTER (t.value = 'exported'), 0)::BIGINT AS exported,
        coalesce(sum(t.samples) FILTER (t.value IN ('rejected', 'failed')), 0)::BIGINT AS failed,
        e.total_size_bytes, e.export_duration_seconds
    FROM sp404_exports AS e
    LEFT JOIN export_stats AS t ON t.export_id = e.id AND t.dimension = 'status'
    WHERE e.finished_at IS NOT NULL AND ($user_id IS NULL OR e.user_id = $user_id)
      AND ($library IS NULL OR contains(lower(e.manifest_path), lower($library)))
    GROUP BY ALL
    ORDER BY e.created_at DESC, e.id DESC
    LIMIT $most
)
ORDER BY created_at, id;
