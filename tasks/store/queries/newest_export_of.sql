-- The newest export of a manifest, or the newest before another one of it.
SELECT id, created_at
FROM sp404_exports
WHERE manifest_path = $manifest_path AND ($before IS NULL OR id < $before)
ORDER BY id DESC
LIMIT 1;
