UPDATE outputs SET manifest_path = r.new FROM renames AS r WHERE outputs.manifest_path = r.old;
