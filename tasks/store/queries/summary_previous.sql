-- The last finished export of the same manifest to the same folder before this one.
SELECT p.id, p.run_by, p.created_at
FROM sp404_exports AS p
JOIN sp404_exports AS e ON e.id = $export_id
WHERE p.id < e.id AND p.manifest_path = e.manifest_path AND p.output_path = e.output_path AND p.finished_at IS NOT NULL
ORDER BY p.id DESC
LIMIT 1;
