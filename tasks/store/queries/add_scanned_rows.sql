INSERT INTO scanned_rows (manifest_path, path, signature, title, genre, bpm, musical_key, tags, kind, kit, bank, pad)
SELECT $manifest_path, path, signature, title, genre, bpm, musical_key, tags, kind, kit, bank, pad FROM new_scanned_rows;
