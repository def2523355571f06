-- The newest finished export of a whole manifest, in any layout or in this one: its settings, and how many rows it did not export.
SELECT
    e.id AS export_id, e.settings,
    (SELECT count(*) FROM sp404_export_samples AS s WHERE s.export_id = e.id AND NOT s.conversion_successful) AS not_exported
FROM sp404_exports AS e
WHERE e.manifest_path = $manifest_path AND e.finished_at IS NOT NULL AND e.settings ->> 'is_selection' = 'false'
  AND ($organized_by IS NULL OR e.organized_by = $organized_by)
ORDER BY e.id DESC
LIMIT 1;
