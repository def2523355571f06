-- How many of the hits have each value; NULL: they have none. Tempos are counted in steps of 10 BPM, by their lowest. Of each kind
-- those that most samples have.
WITH facts AS (
    SELECT
        s.genre, s.musical_key AS key, s.source_format AS format, h.status,
        (floor(s.bpm / 10) * 10)::BIGINT::VARCHAR AS bpm, k.kind
    FROM hits AS h
    JOIN samples AS s USING (id)
    LEFT JOIN (
        SELECT path, max(kind) AS kind FROM scanned_rows WHERE kind IS NOT NULL GROUP BY path
    ) AS k ON k.path = s.file_path
)
SELECT
    CASE grouping_id(genre, key, kind, format, status, bpm)
        WHEN 31 THEN 'genre' WHEN 47 THEN 'key' WHEN 55 THEN 'kind' WHEN 59 THEN 'format' WHEN 61 THEN 'status' ELSE 'bpm'
    END AS facet,
    coalesce(genre, key, kind, format, status, bpm) AS value,
    count(*) AS samples
FROM facts
GROUP BY GROUPING SETS ((genre), (key), (kind), (format), (status), (bpm))
QUALIFY row_number() OVER (PARTITION BY facet ORDER BY samples DESC, value) <= $most
ORDER BY facet, try_cast(CASE WHEN facet = 'bpm' THEN value END AS BIGINT), samples DESC, value;
