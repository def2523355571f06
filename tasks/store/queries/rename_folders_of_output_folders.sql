UPDATE output_folders SET path = r.new FROM renames AS r WHERE output_folders.path = r.old;
