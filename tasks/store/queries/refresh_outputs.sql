UPDATE outputs SET
    manifest_path = $manifest_path,
    sample_id = r.sample_id,
    source_path = r.source,
    source_bytes = r.source_bytes,
    source_mtime_ns = r.source_mtime_ns,
    source_ctime_ns = r.source_ctime_ns
FROM refreshed AS r
WHERE outputs.output_path = $output_path AND outputs.path = r.path;
