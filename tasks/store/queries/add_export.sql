INSERT INTO sp404_exports (
    id, user_id, export_type, sample_count, output_path, organized_by, format, total_size_bytes,
    export_duration_seconds, created_at, manifest_path, label, run_by, identity, mount_point, settings
)
VALUES (
    $id, $user_id, $export_type, $sample_count, $output_path, $organized_by, $format, 0,
    0, $created_at, $manifest_path, $label, $run_by, $identity, $mount_point, $settings
);
