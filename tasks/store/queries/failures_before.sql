-- The files that the runs `compared` (`age`: 0 is the newest) did not export. What a run did not reach it says nothing of: the newest
-- of them that reached a file counts. `mended`: the export $export_id has it, be it under another path.
WITH reached AS (
    SELECT
        s.source_path, c.age, bool_and(s.conversion_successful) AS good, min(s.manifest_line) AS line,
        any_value(s.sample_id) AS sample_id
    FROM sp404_export_samples AS s
    JOIN compared AS c USING (export_id)
    WHERE s.source_path IS NOT NULL AND s.reason IS DISTINCT FROM 'not_reached'
    GROUP BY s.source_path, c.age
    QUALIFY c.age = min(c.age) OVER (PARTITION BY s.source_path)
)
SELECT
    source_path,
    source_path IN (
        SELECT source_path FROM sp404_export_samples
        WHERE export_id = $export_id AND conversion_successful AND source_path IS NOT NULL
    ) OR sample_id IS NOT NULL AND sample_id IN (
        SELECT sample_id FROM sp404_export_samples
        WHERE export_id = $export_id AND conversion_successful AND sample_id IS NOT NULL
    ) AS mended
FROM reached
WHERE NOT good
ORDER BY line, source_path;
