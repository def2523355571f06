INSERT INTO given_ids (file_path, id) SELECT file_path, id FROM new_given_ids;
