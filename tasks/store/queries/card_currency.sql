-- What a card lacks, by the records alone: a row for each part of it, which is a manifest in a layout and format, in the output
-- folder that its newest file came from. $manifest_path: of this manifest alone; NULL: of all.
--
-- A part is whole if one of the exports that put its files there was of a whole manifest; then it is to have all that the last
-- such export had, and what was written since. What a selection put there is only to be as it is in the output folder.
-- Earlier versions did not record what a selection was: there a part is whole if it has half of what the last export had.
WITH known AS (
    SELECT
        id, manifest_path, output_path, organized_by, format, finished_at,
        CASE WHEN settings ->> 'is_selection' IS NOT NULL THEN settings ->> 'is_selection' = 'true'
            WHEN export_type = 'single' THEN true END AS is_selection
    FROM sp404_exports
),
on_card AS (SELECT * FROM card_files WHERE card_id = $card_id),
parts AS (
    SELECT
        c.manifest_path, c.organized_by, c.format, arg_max(c.output_path, c.export_id) AS output_path, count(*) AS card_files,
        CASE WHEN count_if(NOT k.is_selection) > 0 THEN true WHEN count_if(k.is_selection IS NULL) = 0 THEN false END AS is_whole
    FROM on_card AS c LEFT JOIN known AS k ON k.id = c.export_id
    WHERE c.organized_by IS NOT NULL AND ($manifest_path IS NULL OR c.manifest_path = $manifest_path)
    GROUP BY c.manifest_path, c.organized_by, c.format
),
lasts AS (
    SELECT p.*, coalesce(max(k.id), 0) AS last_id
    FROM parts AS p
    LEFT JOIN known AS k
        ON k.manifest_path = p.manifest_path AND k.output_path = p.output_path AND k.organized_by = p.organized_by
        AND k.format = p.format AND k.finished_at IS NOT NULL AND k.is_selection IS DISTINCT FROM true
    GROUP BY ALL
),
last_rows AS (
    SELECT
        export_id, sample_id, status, conversion_successful,
        concat_ws('/', nullif(output_subfolder, ''), output_filename) AS path
    FROM sp404_export_samples
    WHERE export_id IN (SELECT last_id FROM lasts)
),
wanted AS (
    SELECT l.manifest_path, l.organized_by, l.format, o.path, o.file_hash, o.source_path
    FROM lasts AS l
    JOIN outputs AS o ON o.output_path = l.output_path
    WHERE o.file_hash IS NOT NULL AND (
        (o.export_id > l.last_id AND o.manifest_path = l.manifest_path AND o.organized_by = l.organized_by AND o.format = l.format)
        OR (l.last_id, o.path) IN (SELECT (export_id, path) FROM last_rows WHERE conversion_successful)
    )
),
counts AS (SELECT manifest_path, organized_by, format, count(*) AS files FROM wanted GROUP BY ALL),
sized AS (
    SELECT l.*, coalesce(l.is_whole, 2 * l.card_files >= coalesce(n.files, 0)) AS has_all
    FROM lasts AS l LEFT JOIN counts AS n USING (manifest_path, organized_by, format)
),
lacking AS (
    SELECT
        w.manifest_path, w.organized_by, w.format, count_if(c.path IS NULL) AS missing, count_if(c.path IS NOT NULL) AS older,
        min(w.path) AS example
    FROM wanted AS w
    JOIN sized AS s USING (manifest_path, organized_by, format)
    LEFT JOIN on_card AS c ON c.path = w.path
    WHERE c.file_hash IS DISTINCT FROM w.file_hash AND (
        s.has_all
        OR (c.manifest_path = w.manifest_path AND c.organized_by = w.organized_by AND c.format = w.format)
    )
    GROUP BY ALL
),
-- Of what a rejected row may mean, nothing is known; a sample that failed, or that has another name now, is in the manifest.
gone AS (
    SELECT s.manifest_path, s.organized_by, s.format, count(*) AS gone, min(c.path) AS gone_example
    FROM sized AS s
    JOIN on_card AS c USING (manifest_path, organized_by, format)
    LEFT JOIN outputs AS o ON o.output_path = c.output_path AND o.path = c.path
    LEFT JOIN (SELECT file_path, any_value(id) AS id FROM samples GROUP BY file_path) AS m ON m.file_path = c.source_path
    WHERE s.last_id > 0
      AND s.last_id NOT IN (SELECT export_id FROM last_rows WHERE status = 'rejected')
      AND (s.last_id, coalesce(o.sample_id, m.id, 0)) NOT IN (
          SELECT (export_id, sample_id) FROM last_rows WHERE sample_id IS NOT NULL
      )
      AND c.path NOT IN (SELECT path FROM wanted)
      AND c.source_path NOT IN (SELECT source_path FROM wanted WHERE source_path IS NOT NULL)
    GROUP BY ALL
)
SELECT
    s.manifest_path, s.organized_by, s.format, s.output_path, s.last_id AS export_id, s.has_all AS is_whole,
    coalesce(l.missing, 0) AS missing, coalesce(l.older, 0) AS older, l.example, coalesce(g.gone, 0) AS gone, g.gone_example
FROM sized AS s
LEFT JOIN lacking AS l USING (manifest_path, organized_by, format)
LEFT JOIN gone AS g USING (manifest_path, organized_by, format)
WHERE l.missing + l.older > 0 OR g.gone > 0
ORDER BY s.manifest_path, s.organized_by, s.format;
