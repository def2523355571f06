DELETE FROM kit_samples WHERE kit_id IN (SELECT kit_id FROM new_kit_samples);
