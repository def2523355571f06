-- The content of the sources that the manifest does not have, as it was when a file of it was written last; of these sizes.
SELECT
    o.source_path AS path,
    max_by(o.source_bytes, o.export_id) AS bytes,
    max_by(o.content_hash, o.export_id) AS content_hash,
    coalesce(any_value(g.id), max_by(o.sample_id, o.export_id)) AS id
FROM outputs AS o
ANTI JOIN wanted AS w ON w.path = o.source_path
LEFT JOIN given_ids AS g ON g.file_path = o.source_path
WHERE o.content_hash IS NOT NULL AND o.source_bytes IN (SELECT bytes FROM sizes)
GROUP BY o.source_path
ORDER BY o.source_path;
