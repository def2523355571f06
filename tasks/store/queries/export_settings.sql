SELECT organized_by, format, output_path, finished_at, settings FROM sp404_exports WHERE id = $export_id;
