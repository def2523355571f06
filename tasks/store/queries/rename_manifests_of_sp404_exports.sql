UPDATE sp404_exports SET manifest_path = r.new FROM renames AS r WHERE sp404_exports.manifest_path = r.old;
