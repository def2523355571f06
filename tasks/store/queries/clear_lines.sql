DELETE FROM sp404_export_samples
WHERE export_id = $export_id AND manifest_line IN (SELECT manifest_line FROM new_export_samples);
