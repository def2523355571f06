-- The finished exports of the same manifest to the same folder that an export is compared with, the newest first: the one before it
-- and, where that was interrupted, those before it up to the newest that came to its end.
SELECT p.id, p.run_by, p.created_at,
    EXISTS (FROM sp404_export_samples AS s WHERE s.export_id = p.id AND s.reason = 'not_reached') AS interrupted
FROM sp404_exports AS p
JOIN sp404_exports AS e ON e.id = $export_id
WHERE p.id < e.id AND p.manifest_path = e.manifest_path AND p.output_path = e.output_path AND p.finished_at IS NOT NULL
QUALIFY coalesce(bool_and(interrupted) OVER (ORDER BY p.id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), true)
ORDER BY p.id DESC;
