-- The other manifests: how many samples the last export of each had, and how many of these are wanted.
WITH last AS (
    SELECT manifest_path, max(id) AS export_id FROM sp404_exports WHERE manifest_path <> $manifest_path GROUP BY manifest_path
)
SELECT
    l.manifest_path,
    count(DISTINCT s.sample_id) AS samples,
    count(DISTINCT s.sample_id) FILTER (m.file_path IN (SELECT path FROM wanted)) AS shared
FROM last AS l
JOIN sp404_export_samples AS s ON s.export_id = l.export_id
JOIN samples AS m ON m.id = s.sample_id
GROUP BY l.manifest_path;
