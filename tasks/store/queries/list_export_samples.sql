-- A page of the rows of an export. A text is somewhere in what a row is called, or in what is wrong with it.
SELECT
    e.sample_id, e.manifest_line AS line, e.status,
    CASE WHEN e.conversion_successful THEN concat_ws('/', nullif(e.output_subfolder, ''), e.output_filename) END AS path,
    e.bank, e.pad, e.output_bytes AS bytes, e.conversion_seconds AS seconds, e.reason, e.error_message AS error, e.fix, e.warning,
    s.title, count(*) OVER () AS total
FROM sp404_export_samples AS e LEFT JOIN samples AS s ON s.id = e.sample_id
WHERE e.export_id = $export_id
  AND ($status IS NULL OR e.status = $status)
  AND ($reason IS NULL OR e.reason = $reason)
  AND ($text IS NULL OR contains(
      lower(concat_ws(chr(10), s.title, e.output_filename, e.output_subfolder, e.source_path, e.kit, e.error_message)), lower($text)))
ORDER BY e.manifest_line, e.id
LIMIT $most OFFSET $skip;
