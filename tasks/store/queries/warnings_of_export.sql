SELECT warning FROM sp404_export_samples
WHERE export_id = $export_id AND conversion_successful AND warning IS NOT NULL;
