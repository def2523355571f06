-- The pads of a kit as its rows have them now, and of each the newest file that still stands; `file` is null where none does.
-- By the outputs alone: records of exports can be let go.
SELECT ks.bank, ks.pad, ks.sample_id, s.title, s.bpm, k.tempo, o.output_path || '/' || o.path AS file
FROM kits AS k
JOIN kit_samples AS ks ON ks.kit_id = k.id
JOIN samples AS s ON s.id = ks.sample_id
LEFT JOIN outputs AS o
    ON o.sample_id = ks.sample_id AND o.organized_by = 'kit'
    AND contains(o.path, '/bank_' || ks.bank || '/pad_' || lpad(ks.pad::VARCHAR, 2, '0') || '_')
WHERE k.name = $kit
QUALIFY row_number() OVER (PARTITION BY ks.bank, ks.pad ORDER BY o.export_id DESC NULLS LAST) = 1
ORDER BY ks.bank, ks.pad;
