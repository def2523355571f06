-- The output folders that these manifests (`wanted`) were exported to, the one of the last export first. `is_alike`: in one of
-- the $layouts.
WITH written AS (
    SELECT output_path, manifest_path, organized_by FROM outputs
    UNION ALL
    SELECT output_path, manifest_path, organized_by FROM sp404_exports
    WHERE output_path = $output_path AND finished_at IS NOT NULL AND trouble IS NULL
),
runs AS (
    SELECT e.output_path, max(e.id) AS last_id
    FROM sp404_exports AS e JOIN wanted ON wanted.path = e.manifest_path
    GROUP BY e.output_path
)
SELECT w.output_path, bool_or(w.organized_by IN (SELECT unnest($layouts))) AS is_alike
FROM written AS w
JOIN wanted ON wanted.path = w.manifest_path
LEFT JOIN runs AS r ON r.output_path = w.output_path
GROUP BY w.output_path
ORDER BY max(r.last_id) DESC NULLS LAST, w.output_path;
