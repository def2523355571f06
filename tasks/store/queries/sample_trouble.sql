-- Why a sample was not exported by the last export that it was in.
SELECT s.export_id, s.error_message AS error, s.reason, s.fix
FROM last_status AS l JOIN sp404_export_samples AS s ON s.id = l.row_id
WHERE l.sample_id = $id AND s.error_message IS NOT NULL;
