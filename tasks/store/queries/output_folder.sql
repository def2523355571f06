SELECT id, path, run FROM output_folders WHERE id = $id OR path = $path;
