-- Not the newest of a manifest and an output folder: by it the next run knows where it is.
SELECT id FROM sp404_exports
WHERE finished_at IS NOT NULL AND created_at < $before AND id NOT IN (
    SELECT max(id) FROM sp404_exports WHERE finished_at IS NOT NULL GROUP BY manifest_path, output_path
)
ORDER BY id;
