-- Samples of an export and of those that it is `compared` with, by their source and their place in a kit: what one has and the
-- other has not. What a run did not reach it says nothing of: the newest of them that reached a sample counts.
WITH now_rows AS (
    SELECT if(reason = 'not_reached', reason, status) AS status, source_path, manifest_line, kit, bank, pad
    FROM sp404_export_samples
    WHERE export_id = $export_id AND source_path IS NOT NULL AND status <> 'rejected'
),
before_rows AS (
    SELECT status, source_path, kit, bank, pad
    FROM sp404_export_samples
    WHERE export_id IN (SELECT id FROM compared) AND source_path IS NOT NULL AND status <> 'rejected'
      AND reason IS DISTINCT FROM 'not_reached'
    QUALIFY export_id = max(export_id) OVER (PARTITION BY source_path, kit, bank, pad)
),
pairs AS (
    SELECT
        n.source_path, n.manifest_line,
        CASE
            WHEN n.status IS NULL THEN 'gone'
            WHEN n.status = 'not_reached' THEN 'not_reached'
            WHEN b.status IS NULL THEN 'new'
            WHEN n.status = 'exported' AND b.status IN ('exported', 'unchanged') THEN 'converted_again'
            WHEN n.status IN ('exported', 'unchanged') AND b.status IN ('rejected', 'failed') THEN 'healed'
            WHEN n.status IN ('rejected', 'failed') AND b.status IN ('exported', 'unchanged') THEN 'newly_failing'
        END AS change
    FROM now_rows AS n
    FULL JOIN before_rows AS b
        ON n.source_path = b.source_path AND n.kit IS NOT DISTINCT FROM b.kit
        AND n.bank IS NOT DISTINCT FROM b.bank AND n.pad IS NOT DISTINCT FROM b.pad
)
SELECT
    count(*) FILTER (change = 'new') AS new,
    count(*) FILTER (change = 'gone') AS gone,
    count(*) FILTER (change = 'converted_again') AS converted_again,
    count(*) FILTER (change = 'healed') AS healed,
    count(*) FILTER (change = 'newly_failing') AS newly_failing,
    (list(source_path ORDER BY manifest_line) FILTER (change = 'new'))[:$most] AS new_files,
    (list(source_path ORDER BY manifest_line) FILTER (change = 'converted_again'))[:$most] AS converted_again_files,
    (list(source_path ORDER BY manifest_line) FILTER (change = 'healed'))[:$most] AS healed_files,
    (list(source_path ORDER BY manifest_line) FILTER (change = 'newly_failing'))[:$most] AS newly_failing_files
FROM pairs;
