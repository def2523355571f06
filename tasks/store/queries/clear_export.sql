-- A resumed export begins anew, but for the lines that are done.
DELETE FROM sp404_export_samples
WHERE export_id = $export_id AND manifest_line NOT IN (SELECT manifest_line FROM kept);
