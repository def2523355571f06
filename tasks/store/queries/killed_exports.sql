SELECT id, identity FROM sp404_exports
WHERE finished_at IS NULL AND manifest_path = $manifest_path AND output_path = $output_path
ORDER BY id;
