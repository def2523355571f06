-- The other manifests that files were written for, in each output folder: how many sources these have, and how many of them
-- are wanted.
SELECT o.manifest_path, count(DISTINCT o.source_path) AS sources, count(DISTINCT w.path) AS shared
FROM outputs AS o
LEFT JOIN (SELECT DISTINCT path FROM wanted) AS w ON w.path = o.source_path
WHERE o.manifest_path <> $manifest_path
GROUP BY o.manifest_path, o.output_path;
