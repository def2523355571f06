DELETE FROM output_folders WHERE id = $id OR path = $path;
