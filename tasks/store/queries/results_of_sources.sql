-- What exports made of these sources (`wanted`), or of the same content (`contents`): first the files that stand in some folder,
-- then, without a source, what the history knows of any that were made of the same content.
WITH standing AS (
    SELECT
        source_path, source_bytes, source_mtime_ns, source_ctime_ns, content_hash, settings_hash, format, file_hash, output_bytes,
        export_id
    FROM outputs
    WHERE content_hash IS NOT NULL
      AND (source_path IN (SELECT path FROM wanted) OR content_hash IN (SELECT content_hash FROM contents))
),
known AS (SELECT content_hash FROM standing UNION SELECT content_hash FROM contents),
made AS (
    SELECT s.content_hash, s.settings_hash, e.format, s.file_hash, s.output_bytes, max(s.export_id) AS export_id
    FROM sp404_export_samples AS s
    JOIN known USING (content_hash)
    JOIN sp404_exports AS e ON e.id = s.export_id
    WHERE s.status = 'exported' AND s.file_hash IS NOT NULL
    GROUP BY ALL
)
FROM (
    SELECT *, TRUE AS stands FROM standing
    UNION ALL BY NAME
    SELECT *, FALSE AS stands FROM made
)
SELECT
    source_path, source_bytes, source_mtime_ns, source_ctime_ns, content_hash, settings_hash, format, file_hash, output_bytes
ORDER BY stands DESC, export_id DESC;
