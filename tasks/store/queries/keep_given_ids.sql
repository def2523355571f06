-- What was renamed keeps its id under the new path, and under the old one, should it come back.
INSERT INTO given_ids (file_path, id)
SELECT r.new, g.id
FROM renames AS r JOIN given_ids AS g ON g.file_path = r.old
WHERE r.new NOT IN (SELECT file_path FROM given_ids);
