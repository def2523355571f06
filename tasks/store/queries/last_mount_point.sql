SELECT mount_point FROM sp404_exports WHERE output_path = $output_path ORDER BY id DESC LIMIT 1;
