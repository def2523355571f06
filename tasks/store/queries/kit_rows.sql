-- The pads of kits as rows of a manifest: those of one, or of all that have one of the samples.
SELECT
    s.id AS sample_id, s.file_path, s.title, s.genre, s.bpm, s.musical_key, s.tags, k.id AS kit_id, k.name AS kit, ks.bank, ks.pad
FROM kit_samples AS ks JOIN kits AS k ON k.id = ks.kit_id JOIN samples AS s ON s.id = ks.sample_id
WHERE k.id = $kit_id
   OR ks.kit_id IN (SELECT kit_id FROM kit_samples WHERE sample_id IN (SELECT id FROM wanted))
ORDER BY k.id, ks.bank, ks.pad;
