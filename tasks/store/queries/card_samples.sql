-- For each file on a card its sample, as far as the records have it still, and whether nothing stands in its place in the output
-- folder any more. A folder of which the records know no file was forgotten: that says nothing of its files.
WITH known_folders AS (SELECT DISTINCT output_path FROM outputs)
SELECT
    c.path, any_value(s.id ORDER BY s.id) AS sample_id, any_value(s.title ORDER BY s.id) AS title,
    any_value(o.path) IS NULL AND any_value(k.output_path) IS NOT NULL AS is_gone
FROM card_files AS c
LEFT JOIN samples AS s ON s.file_path = c.source_path
LEFT JOIN outputs AS o ON o.output_path = c.output_path AND o.path = c.path
LEFT JOIN known_folders AS k ON k.output_path = c.output_path
WHERE c.card_id = $card_id
GROUP BY c.path
ORDER BY c.path;
