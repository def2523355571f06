-- What exports made of these sources (`wanted`), or of the same content (`contents`), and of which a file stands in some folder.
SELECT
    o.source_path, o.source_bytes, o.source_mtime_ns, o.source_ctime_ns, o.content_hash, o.settings_hash, o.format, o.file_hash,
    o.output_bytes
FROM outputs AS o
WHERE o.content_hash IS NOT NULL
  AND (o.source_path IN (SELECT path FROM wanted) OR o.content_hash IN (SELECT content_hash FROM contents))
ORDER BY o.export_id DESC, o.output_path, o.path;
