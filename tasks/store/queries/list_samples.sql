-- A page of the hits, in an order that a title or a number gives, and then by id; those without one come last.
WITH ordered AS (
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
), page AS (
    SELECT id, row_number() OVER () AS place
    FROM (
        SELECT id
        FROM ordered
        ORDER BY
            CASE WHEN NOT $descending THEN words END NULLS LAST, CASE WHEN $descending THEN words END DESC NULLS LAST,
            CASE WHEN NOT $descending THEN number END NULLS LAST, CASE WHEN $descending THEN number END DESC NULLS LAST,
            id
        LIMIT $most OFFSET $skip
    )
)
SELECT
    s.id, s.title, s.genre, s.bpm, s.musical_key, s.tags, s.file_path, s.source_format, s.source_rate_hz, s.source_channels,
    s.source_frames, s.source_bytes, nullif(h.status, 'new') AS status, h.export_id
FROM page AS p JOIN hits AS h USING (id) JOIN samples AS s USING (id)
ORDER BY p.place;
