-- What became of the pads of a kit in the last export that each was in.
SELECT bank, pad, sample_id, conversion_successful AS success, error_message AS error
FROM sp404_export_samples
WHERE kit = $kit AND bank IS NOT NULL AND sample_id IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY bank, pad ORDER BY id DESC) = 1
ORDER BY bank, pad;
