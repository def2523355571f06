-- The samples of an export that failed, in the order of its manifest, and the kits that they failed in; NULL: for any reason,
-- with any error.
SELECT sample_id, kit FROM sp404_export_samples
WHERE export_id = $export_id AND status = 'failed' AND sample_id IS NOT NULL
  AND ($reason IS NULL OR reason = $reason)
  AND ($text IS NULL OR contains(error_message, $text))
GROUP BY sample_id, kit
ORDER BY min(manifest_line), sample_id, kit;
