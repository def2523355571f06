SELECT k.id AS kit_id, k.name AS kit, ks.bank, ks.pad
FROM kit_samples AS ks JOIN kits AS k ON k.id = ks.kit_id
WHERE ks.sample_id = $id
ORDER BY k.id, ks.bank, ks.pad;
