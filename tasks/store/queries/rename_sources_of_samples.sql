UPDATE samples SET file_path = r.new FROM renames AS r WHERE samples.file_path = r.old;
