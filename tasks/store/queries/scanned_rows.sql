SELECT path, signature, title, genre, bpm, musical_key, tags, kind, kit, bank, pad FROM scanned_rows
WHERE manifest_path = $manifest_path;
