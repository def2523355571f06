-- Of a kit that is recorded under another spelling, too, the pads of its samples.
DELETE FROM kit_samples
WHERE kit_id IN (SELECT kit_id FROM new_kit_samples)
   OR (kit_id IN (SELECT id FROM other_spellings) AND sample_id IN (SELECT sample_id FROM new_kit_samples));
