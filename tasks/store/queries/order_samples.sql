-- The hits in an order that a title or a number gives, and then by id; those without one come last.
SELECT id
FROM (
    SELECT
        h.id,
        CASE $sort
            WHEN 'title' THEN lower(s.title)
            WHEN 'genre' THEN lower(s.genre)
            WHEN 'key' THEN s.musical_key
            WHEN 'format' THEN s.source_format
            WHEN 'status' THEN h.status
        END AS words,
        CASE $sort
            WHEN 'id' THEN s.id
            WHEN 'bpm' THEN s.bpm
            WHEN 'seconds' THEN s.source_frames / s.source_rate_hz
        END AS number
    FROM hits AS h JOIN samples AS s USING (id)
)
ORDER BY
    CASE WHEN NOT $descending THEN words END NULLS LAST, CASE WHEN $descending THEN words END DESC NULLS LAST,
    CASE WHEN NOT $descending THEN number END NULLS LAST, CASE WHEN $descending THEN number END DESC NULLS LAST,
    id;
