-- After rows were added: their ids are above all that were there.
MERGE INTO last_status USING (
    SELECT sample_id, max(id) AS row_id, max_by(export_id, id) AS export_id, max_by(status, id) AS status
    FROM sp404_export_samples
    WHERE id > (SELECT coalesce(max(row_id), 0) FROM last_status) AND sample_id IS NOT NULL
    GROUP BY sample_id
) AS n USING (sample_id)
WHEN MATCHED THEN UPDATE SET row_id = n.row_id, export_id = n.export_id, status = n.status
WHEN NOT MATCHED THEN INSERT (sample_id, row_id, export_id, status) VALUES (n.sample_id, n.row_id, n.export_id, n.status);
