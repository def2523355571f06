-- `stale`: the export's own file is another by now, or gone.
SELECT
    c.path, c.file_hash, c.output_bytes, c.export_id, c.output_path, c.manifest_path, c.source_path, c.settings_hash,
    c.organized_by, c.format, o.file_hash IS DISTINCT FROM c.file_hash AS stale
FROM card_files AS c LEFT JOIN outputs AS o ON o.output_path = c.output_path AND o.path = c.path
WHERE c.card_id = $card_id
ORDER BY c.path;
