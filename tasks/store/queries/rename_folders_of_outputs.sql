UPDATE outputs SET output_path = r.new FROM renames AS r WHERE outputs.output_path = r.old;
