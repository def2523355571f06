SELECT output_path, finished_at IS NOT NULL FROM sp404_exports WHERE id = $export_id;
