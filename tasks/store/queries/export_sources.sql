-- The files of an export: below the output folder, and what they are made from.
SELECT DISTINCT
    concat_ws('/', nullif(s.output_subfolder, ''), s.output_filename) AS path, s.source_path, e.manifest_path
FROM sp404_export_samples AS s JOIN sp404_exports AS e ON e.id = s.export_id
WHERE s.export_id = $export_id AND s.conversion_successful;
