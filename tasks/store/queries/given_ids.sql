SELECT file_path, id FROM given_ids;
