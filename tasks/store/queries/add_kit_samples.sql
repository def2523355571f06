INSERT INTO kit_samples (kit_id, sample_id, bank, pad) SELECT kit_id, sample_id, bank, pad FROM new_kit_samples;
