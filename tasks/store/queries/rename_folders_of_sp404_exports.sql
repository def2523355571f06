UPDATE sp404_exports SET output_path = r.new FROM renames AS r WHERE sp404_exports.output_path = r.old;
