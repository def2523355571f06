WITH last AS (
    SELECT sample_id, max_by(status, id) AS status, max_by(export_id, id) AS export_id
    FROM sp404_export_samples
    WHERE sample_id IS NOT NULL
    GROUP BY sample_id
)
SELECT
    s.id, s.title, s.genre, s.bpm, s.musical_key, s.tags, s.file_path, s.source_format, s.source_rate_hz, s.source_channels,
    s.source_frames, s.source_bytes, l.status, l.export_id,
    count(*) OVER () AS total
FROM samples AS s LEFT JOIN last AS l ON l.sample_id = s.id
WHERE ($id IS NULL OR s.id = $id)
  AND ($genre IS NULL
    OR regexp_replace(lower(nfc_normalize(s.genre)), '[\s\p{Z}_\p{Pd}]+', '', 'g')
     = regexp_replace(lower(nfc_normalize($genre)), '[\s\p{Z}_\p{Pd}]+', '', 'g'))
  AND ($bpm_min IS NULL OR s.bpm >= $bpm_min)
  AND ($bpm_max IS NULL OR s.bpm <= $bpm_max)
  AND ($musical_key IS NULL OR s.musical_key = $musical_key)
  AND ($text IS NULL OR contains(lower(concat_ws(chr(10), s.title, s.tags, s.file_path)), lower($text)))
  AND ($status IS NULL OR l.status = $status)
ORDER BY s.id
LIMIT $most OFFSET $skip;
