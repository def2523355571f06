-- The output folder that the newest export wrote any of the wanted samples to.
SELECT output_path
FROM outputs
WHERE status IN ('exported', 'unchanged') AND sample_id IN (SELECT id FROM wanted)
ORDER BY export_id DESC, output_path
LIMIT 1;
