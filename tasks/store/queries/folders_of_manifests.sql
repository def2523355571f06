-- The output folders that these manifests (`wanted`) were exported to, the last one first. `is_alike`: by kit where `by_kit`, else
-- in another layout. Files that were unchanged keep the number of the export that wrote them.
WITH written AS (
    SELECT output_path, manifest_path, export_id, organized_by FROM outputs
    UNION ALL
    SELECT output_path, manifest_path, id AS export_id, organized_by FROM sp404_exports
    WHERE output_path = $output_path AND finished_at IS NOT NULL AND trouble IS NULL
)
SELECT w.output_path, bool_or((w.organized_by = 'kit') = $by_kit) AS is_alike
FROM written AS w JOIN wanted ON wanted.path = w.manifest_path
GROUP BY w.output_path
ORDER BY max(w.export_id) DESC, w.output_path;
