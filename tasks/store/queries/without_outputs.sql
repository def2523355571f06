-- Samples (all, or $id) whose last export had a file of them, and of which no output folder has one under their id.
SELECT sample_id AS id
FROM last_status
WHERE status IN ('exported', 'unchanged')
  AND ($id IS NULL OR sample_id = $id)
  AND sample_id NOT IN (SELECT sample_id FROM outputs WHERE $id IS NULL OR sample_id = $id);
