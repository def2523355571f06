-- The other manifests that wrote below an output folder: how many files, and how many of them of the wanted sources.
SELECT o.manifest_path, count(*) AS files, count(w.path) AS shared
FROM outputs AS o
LEFT JOIN (SELECT DISTINCT path FROM wanted) AS w ON w.path = o.source_path
WHERE o.output_path = $output_path AND o.manifest_path <> $manifest_path
GROUP BY o.manifest_path;
