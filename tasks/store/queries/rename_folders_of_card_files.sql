UPDATE card_files SET output_path = r.new FROM renames AS r WHERE card_files.output_path = r.old;
