-- The files that exports of a manifest made of these sources (`wanted`) and that are recorded still.
SELECT o.source_path AS source, o.output_path || '/' || o.path AS path
FROM outputs AS o
WHERE o.manifest_path = $manifest_path AND o.source_path IN (SELECT source FROM wanted)
ORDER BY path;
