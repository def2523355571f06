SELECT
    sp404_export_format AS format,
    sp404_default_organization AS organize_by,
    sp404_sanitize_filenames AS sanitize_filenames,
    sp404_include_metadata AS include_metadata,
    sp404_export_base_path AS output_base_path
FROM user_preferences WHERE id = 1;
