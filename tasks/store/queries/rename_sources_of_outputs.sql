UPDATE outputs SET source_path = r.new FROM renames AS r WHERE outputs.source_path = r.old;
