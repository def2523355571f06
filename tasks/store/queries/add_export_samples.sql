INSERT INTO sp404_export_samples BY NAME SELECT $export_id AS export_id, * FROM new_export_samples;
