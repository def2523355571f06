-- The pads of a kit as the newest export has them that exported any of it.
SELECT
    es.bank, es.pad, es.sample_id, s.title, s.bpm, k.tempo,
    e.output_path || '/' || concat_ws('/', nullif(es.output_subfolder, ''), es.output_filename) AS file
FROM sp404_export_samples AS es
JOIN sp404_exports AS e ON e.id = es.export_id
JOIN samples AS s ON s.id = es.sample_id
JOIN kits AS k ON k.name = es.kit
WHERE es.kit = $kit AND es.conversion_successful AND es.export_id = (
    SELECT max(export_id) FROM sp404_export_samples WHERE kit = $kit AND conversion_successful
)
ORDER BY es.bank, es.pad;
