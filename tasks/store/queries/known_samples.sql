SELECT id, file_path, title, genre, bpm, musical_key, tags FROM samples
WHERE id IN (SELECT id FROM wanted) OR file_path IN (SELECT file_path FROM wanted);
