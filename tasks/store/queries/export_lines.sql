SELECT manifest_line FROM sp404_export_samples WHERE export_id = $export_id;
