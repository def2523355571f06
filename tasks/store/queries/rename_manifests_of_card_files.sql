UPDATE card_files SET manifest_path = r.new FROM renames AS r WHERE card_files.manifest_path = r.old;
