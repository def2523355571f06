UPDATE card_files SET source_path = r.new FROM renames AS r WHERE card_files.source_path = r.old;
