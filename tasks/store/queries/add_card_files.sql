INSERT INTO card_files BY NAME
SELECT
    $card_id AS card_id, w.path, w.file_hash, w.output_bytes, $export_id AS export_id, o.output_path, o.manifest_path,
    o.source_path, o.settings_hash, o.organized_by, o.format, $now AS written_at
FROM new_card_files AS w JOIN outputs AS o USING (path)
WHERE o.output_path = $output_path;
