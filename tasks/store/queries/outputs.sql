-- What stands below an output folder, as far as a later export needs it to tell what is unchanged.
SELECT
    path, export_id, manifest_path = $manifest_path AS same_manifest, organized_by, format, sample_id, source_path,
    settings_hash, facts, source_peak, output_bytes, output_frames, content_hash, file_hash, metadata_hash,
    source_bytes, source_mtime_ns, source_ctime_ns, peak
FROM outputs
WHERE output_path = $output_path;
