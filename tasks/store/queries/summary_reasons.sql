-- Of errors what differs from file to file is left out ($details); rejected rows are grouped by the column to blame.
SELECT
  status,
  reason,
  count(*) AS samples,
  arg_min(error_message, manifest_line) AS example,
  arg_min(source_path, manifest_line) AS file,
  arg_min(fix, manifest_line) AS fix
FROM sp404_export_samples
WHERE export_id = $export_id AND NOT conversion_successful
GROUP BY status, reason, CASE WHEN status = 'failed' THEN regexp_replace(error_message, $details, '') END
ORDER BY samples DESC, reason, example
LIMIT $most;
