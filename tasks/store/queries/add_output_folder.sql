INSERT INTO output_folders (id, path, run) VALUES ($id, $path, $run);
