INSERT INTO export_rejects (export_id, manifest_line, column_name, value, rule, fix)
SELECT $export_id, line, "column", value, rule, fix FROM new_rejects;
