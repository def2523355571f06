DELETE FROM outputs WHERE output_path = $output_path AND path IN (SELECT path FROM gone);
