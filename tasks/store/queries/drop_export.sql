DELETE FROM sp404_exports WHERE id = $export_id;
