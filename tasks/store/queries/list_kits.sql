SELECT k.id, k.name, k.tempo, count(ks.sample_id) AS samples, count(*) OVER () AS total
FROM kits AS k LEFT JOIN kit_samples AS ks ON ks.kit_id = k.id
WHERE ($id IS NULL OR k.id = $id)
  AND ($text IS NULL
    OR contains(
        regexp_replace(lower(nfc_normalize(k.name)), '[\s\p{Z}_]+', ' ', 'g'),
        regexp_replace(lower(nfc_normalize($text)), '[\s\p{Z}_]+', ' ', 'g')))
GROUP BY k.id, k.name, k.tempo
ORDER BY k.id
LIMIT $most OFFSET $skip;
