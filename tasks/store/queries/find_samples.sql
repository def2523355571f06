-- The samples that the filters let through, for the next queries of this connection. An empty list lets all through; '' in one
-- stands for samples without a value. Those of removed_samples.sql have the status 'removed', and not that of their export.
CREATE OR REPLACE TEMP TABLE hits AS
SELECT s.id, coalesce(l.status, 'new') AS status, l.export_id
FROM (SELECT *, lower(concat_ws(chr(10), title, tags, file_path)) AS words FROM samples) AS s
LEFT JOIN (
    SELECT l.sample_id, l.row_id, l.export_id, CASE WHEN r.id IS NULL THEN l.status ELSE 'removed' END AS status
    FROM last_status AS l LEFT JOIN removed AS r ON r.id = l.sample_id
) AS l ON l.sample_id = s.id
WHERE ($id IS NULL OR s.id = $id)
  AND (len($genres::VARCHAR[]) = 0 OR list_contains($genres::VARCHAR[], coalesce(s.genre, '')))
  AND (len($keys::VARCHAR[]) = 0 OR list_contains($keys::VARCHAR[], coalesce(s.musical_key, '')))
  AND ($format IS NULL OR coalesce(s.source_format, 'none') = $format)
  AND ($status IS NULL OR coalesce(l.status, 'new') = $status OR ($status = 'there' AND l.status IN ('exported', 'unchanged')))
  AND ($kind IS NULL OR CASE $kind
    WHEN 'none' THEN s.file_path NOT IN (SELECT path FROM scanned_rows WHERE kind IS NOT NULL)
    ELSE s.file_path IN (SELECT path FROM scanned_rows WHERE kind = $kind)
    END)
  AND ($bpm_min IS NULL OR s.bpm >= $bpm_min)
  AND ($bpm_max IS NULL OR s.bpm <= $bpm_max)
  AND ($seconds_min IS NULL OR s.source_frames >= $seconds_min * s.source_rate_hz)
  AND ($seconds_max IS NULL OR s.source_frames <= $seconds_max * s.source_rate_hz)
  AND ($in_kit IS NULL OR (s.id IN (SELECT sample_id FROM kit_samples)) = $in_kit)
  AND ($flag IS NULL OR CASE $flag
    WHEN 'short' THEN s.source_frames * 1000 < $shortest_ms * s.source_rate_hz
        OR l.row_id IN (SELECT id FROM sp404_export_samples WHERE reason = 'too_short')
    ELSE s.id IN (
        SELECT sample_id FROM outputs
        WHERE CASE $flag WHEN 'clipped' THEN overs > 0 WHEN 'silent' THEN peak = 0 WHEN 'dc' THEN abs(dc) >= 0.01 END)
    END)
  AND (len($present::VARCHAR[]) = 0 OR len(list_filter($present::VARCHAR[], lambda w: NOT contains(s.words, w))) = 0)
  AND (len($absent::VARCHAR[]) = 0 OR len(list_filter($absent::VARCHAR[], lambda w: contains(s.words, w))) = 0);
