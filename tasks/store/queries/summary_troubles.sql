-- The rows of an export that were not exported; `file`: below the manifest's folder, where it is there; `since`: whether the
-- finished export of the same manifest before it failed for the same file, too. New ones come first, and of these the rarest reasons.
WITH this AS (
    SELECT id, manifest_path, output_path, regexp_replace(manifest_path, '[^/]*$', '') AS folder
    FROM sp404_exports
    WHERE id = $export_id
),
last AS (
    SELECT max(p.id) AS id
    FROM sp404_exports AS p
    JOIN this ON p.id < this.id AND p.manifest_path = this.manifest_path AND p.output_path = this.output_path
    WHERE p.finished_at IS NOT NULL
),
failed_before AS (
    SELECT DISTINCT source_path
    FROM sp404_export_samples
    WHERE export_id = (SELECT id FROM last) AND NOT conversion_successful
)
SELECT
    CASE WHEN starts_with(s.source_path, this.folder) THEN substr(s.source_path, length(this.folder) + 1) ELSE s.source_path END
        AS file,
    s.error_message AS why,
    s.fix AS "what to do",
    CASE WHEN last.id IS NULL THEN '' WHEN b.source_path IS NULL THEN 'this run' ELSE 'before' END AS since,
    s.manifest_line AS line, s.sample_id AS sample, s.status
FROM sp404_export_samples AS s
CROSS JOIN this
CROSS JOIN last
LEFT JOIN failed_before AS b ON b.source_path = s.source_path
WHERE s.export_id = $export_id AND NOT s.conversion_successful
ORDER BY b.source_path IS NOT NULL, count(*) OVER (PARTITION BY b.source_path IS NOT NULL, s.reason), s.manifest_line, s.id
LIMIT $most;
