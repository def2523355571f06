-- The manifest of the last export of a kit.
SELECT e.manifest_path
FROM sp404_export_samples AS s JOIN sp404_exports AS e ON e.id = s.export_id
WHERE s.kit = $kit
ORDER BY e.id DESC
LIMIT 1;
