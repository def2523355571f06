-- Those of `wanted` (without_outputs.sql) of which no file is in the records at all: not under another id, and not on a card.
-- Where another's file of the same sound was there already (no hash), none was ever recorded.
SELECT s.id
FROM wanted AS w
JOIN samples AS s USING (id)
JOIN last_status AS l ON l.sample_id = s.id
JOIN sp404_export_samples AS r ON r.id = l.row_id
WHERE (l.status = 'unchanged' OR r.file_hash IS NOT NULL)
  AND s.file_path NOT IN (SELECT source_path FROM outputs)
  AND s.file_path NOT IN (SELECT source_path FROM card_files)
ORDER BY s.id;
