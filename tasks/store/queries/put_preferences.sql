UPDATE user_preferences SET
    sp404_export_format = $format,
    sp404_default_organization = $organize_by,
    sp404_sanitize_filenames = $sanitize_filenames,
    sp404_include_metadata = $include_metadata,
    sp404_export_base_path = $output_base_path
WHERE id = 1;
