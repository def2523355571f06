-- The layouts on a card in which a manifest was not exported since it was in another one: how many samples the newest export of
-- the whole manifest has that the last one in that layout has not, and the other way round. Of exports by earlier versions it is
-- not known whether they were of the whole manifest: they are left out.
WITH known AS (
    SELECT id, manifest_path, output_path, organized_by, format
    FROM sp404_exports
    WHERE finished_at IS NOT NULL AND settings ->> 'is_selection' = 'false'
),
parts AS (
    SELECT DISTINCT manifest_path, organized_by, format FROM card_files WHERE card_id = $card_id AND organized_by IS NOT NULL
),
pairs AS (
    SELECT
        p.manifest_path, p.organized_by, p.format,
        max(k.id) FILTER (WHERE k.organized_by = p.organized_by AND k.format = p.format) AS last_id,
        max(k.id) AS newest_id
    FROM parts AS p
    JOIN known AS k USING (manifest_path)
    GROUP BY ALL
    HAVING newest_id > last_id
),
samples_of AS (
    SELECT DISTINCT export_id, source_path, conversion_successful
    FROM sp404_export_samples
    WHERE source_path IS NOT NULL AND export_id IN (SELECT unnest([last_id, newest_id]) FROM pairs)
),
counts AS (
    SELECT
        p.*,
        (
            SELECT count(DISTINCT n.source_path) FROM samples_of AS n
            WHERE n.export_id = p.newest_id AND n.conversion_successful AND n.source_path NOT IN (
                SELECT l.source_path FROM samples_of AS l WHERE l.export_id = p.last_id AND l.conversion_successful
            )
        ) AS more,
        (
            SELECT count(DISTINCT l.source_path) FROM samples_of AS l
            WHERE l.export_id = p.last_id AND l.conversion_successful AND l.source_path NOT IN (
                SELECT n.source_path FROM samples_of AS n WHERE n.export_id = p.newest_id
            )
        ) AS fewer
    FROM pairs AS p
)
SELECT manifest_path, organized_by, format, last_id AS export_id, newest_id AS newest_export_id, more, fewer
FROM counts
WHERE more + fewer > 0
ORDER BY manifest_path, organized_by, format;
