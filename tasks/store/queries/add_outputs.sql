INSERT INTO outputs BY NAME
SELECT
    $output_path AS output_path, $export_id AS export_id, $manifest_path AS manifest_path,
    $organized_by AS organized_by, $format AS format, *
FROM new_outputs;
