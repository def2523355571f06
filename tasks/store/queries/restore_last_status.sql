-- After rows were removed: the row before, of samples that have one.
INSERT INTO last_status
SELECT sample_id, max(id), max_by(export_id, id), max_by(status, id)
FROM sp404_export_samples
WHERE sample_id IS NOT NULL AND sample_id NOT IN (SELECT sample_id FROM last_status)
GROUP BY sample_id;
