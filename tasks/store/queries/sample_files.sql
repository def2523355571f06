SELECT id, file_path FROM samples WHERE id IN (SELECT id FROM wanted);
