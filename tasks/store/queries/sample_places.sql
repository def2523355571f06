-- Where a sample stands: files below output folders, and files on cards, which are stale where the folder has another by now.
SELECT o.output_path || '/' || o.path AS path, NULL AS card_id, o.export_id, o.output_bytes AS bytes, false AS stale
FROM outputs AS o
WHERE o.sample_id = $id AND o.status IN ('exported', 'unchanged')
UNION ALL
SELECT c.path, c.card_id, c.export_id, c.output_bytes, o.file_hash IS DISTINCT FROM c.file_hash
FROM card_files AS c
JOIN samples AS s ON s.file_path = c.source_path
LEFT JOIN outputs AS o ON o.output_path = c.output_path AND o.path = c.path
WHERE s.id = $id
ORDER BY card_id NULLS FIRST, path;
