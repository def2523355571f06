-- After rows of an export were removed: those of samples whose last row is gone.
DELETE FROM last_status
WHERE export_id = $export_id AND row_id NOT IN (SELECT id FROM sp404_export_samples WHERE export_id = $export_id);
