-- Samples of two exports, by their source and their place in a kit: what one has and the other has not.
WITH pairs AS (
    SELECT n.status AS now, b.status AS before, n.source_path, n.manifest_line
    FROM (SELECT * FROM sp404_export_samples WHERE export_id = $export_id AND source_path IS NOT NULL AND status <> 'rejected') AS n
    FULL JOIN (SELECT * FROM sp404_export_samples WHERE export_id = $previous_id AND source_path IS NOT NULL AND status <> 'rejected') AS b
        ON n.source_path = b.source_path AND n.kit IS NOT DISTINCT FROM b.kit
        AND n.bank IS NOT DISTINCT FROM b.bank AND n.pad IS NOT DISTINCT FROM b.pad
)
SELECT
    count(*) FILTER (before IS NULL) AS new,
    count(*) FILTER (now IS NULL) AS gone,
    count(*) FILTER (now = 'exported' AND before IN ('exported', 'unchanged')) AS converted_again,
    count(*) FILTER (now IN ('exported', 'unchanged') AND before IN ('rejected', 'failed')) AS healed,
    count(*) FILTER (now IN ('rejected', 'failed') AND before IN ('exported', 'unchanged')) AS newly_failing,
    list(source_path ORDER BY manifest_line) FILTER (now IN ('rejected', 'failed') AND before IN ('exported', 'unchanged'))
        AS newly_failing_files,
    list(source_path ORDER BY manifest_line) FILTER (now IN ('exported', 'unchanged') AND before IN ('rejected', 'failed'))
        AS healed_files
FROM pairs;
