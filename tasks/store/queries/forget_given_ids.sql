DELETE FROM given_ids WHERE file_path IN (SELECT file_path FROM new_given_ids);
