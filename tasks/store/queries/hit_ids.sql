-- The ids of the hits.
SELECT id FROM hits ORDER BY id;
