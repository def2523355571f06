-- Why rows of an export were not exported, how many were not for that reason, and what was said of the first of them.
SELECT status, reason, count(*) AS samples, arg_min(fix, id) AS fix, arg_min(error_message, id) AS error
FROM sp404_export_samples
WHERE export_id = $export_id AND NOT conversion_successful
GROUP BY status, reason
ORDER BY samples DESC, status, reason;
