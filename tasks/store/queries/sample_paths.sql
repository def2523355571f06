SELECT file_path, id FROM samples;
