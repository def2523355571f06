-- The sources whose last export failed by the file itself, and when that export ended, in seconds since 1970.
SELECT s.source_path AS source, s.reason, s.error_message AS error, s.fix, epoch(e.finished_at) AS ended_s
FROM last_status AS l
JOIN sp404_export_samples AS s ON s.id = l.row_id
JOIN sp404_exports AS e ON e.id = s.export_id
WHERE l.status = 'failed' AND e.finished_at IS NOT NULL AND s.source_path IS NOT NULL
  AND s.reason IN ('load_failed', 'unsupported_format', 'too_short', 'too_long', 'too_large', 'decoder_crashed',
      'too_much_memory', 'took_too_long');
