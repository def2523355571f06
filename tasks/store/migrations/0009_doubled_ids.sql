-- An id means one sample, one kit, one card. Where a database was gone, earlier versions began anew with id 1, and a repair then
-- put both histories into one: what was doubled so is told apart first.

-- Kits: of one name the lowest id stays; of one id the kit that had it first. The others get ids of their own.
DELETE FROM kits WHERE rowid NOT IN (SELECT min_by(rowid, (id, created_at)) FROM kits GROUP BY name);
CREATE TEMP TABLE doubled AS SELECT id FROM kits GROUP BY id HAVING count(*) > 1;
UPDATE kits SET id = n.id
FROM (
    SELECT rowid AS kit, (SELECT max(id) FROM kits) + row_number() OVER (ORDER BY id, created_at, name) AS id
    FROM kits
    WHERE rowid NOT IN (SELECT min_by(rowid, (created_at, name)) FROM kits GROUP BY id)
) AS n
WHERE kits.rowid = n.kit;
-- Whose the pads of a doubled id are, only the exports know.
DELETE FROM kit_samples WHERE kit_id IN (SELECT id FROM doubled) OR kit_id NOT IN (SELECT id FROM kits);
INSERT INTO kit_samples (kit_id, sample_id, bank, pad)
SELECT DISTINCT k.id, s.sample_id, s.bank, s.pad
FROM kits AS k
JOIN sp404_export_samples AS s ON s.kit = k.name
WHERE k.id NOT IN (SELECT kit_id FROM kit_samples)
  AND s.sample_id IS NOT NULL AND s.bank IS NOT NULL AND s.pad IS NOT NULL
  AND s.export_id = (SELECT max(export_id) FROM sp404_export_samples AS l WHERE l.kit = k.name);
DROP TABLE doubled;

-- Samples: the row that was written last. A file that shares its id with another one, and is still the source of an output, is
-- given a new one by its next export; a file that was moved is not: its outputs name the new path.
DELETE FROM given_ids WHERE rowid NOT IN (SELECT max(rowid) FROM given_ids GROUP BY file_path);
DELETE FROM samples WHERE rowid NOT IN (SELECT max_by(rowid, (updated_at, rowid)) FROM samples GROUP BY id);
DELETE FROM given_ids
USING samples AS s
WHERE s.id = given_ids.id AND s.file_path <> given_ids.file_path
  AND given_ids.file_path IN (SELECT source_path FROM outputs WHERE sample_id = given_ids.id)
  AND s.file_path IN (SELECT source_path FROM outputs WHERE sample_id = given_ids.id);

DELETE FROM sp404_exports WHERE rowid NOT IN (SELECT max(rowid) FROM sp404_exports GROUP BY id);
DELETE FROM users WHERE rowid NOT IN (SELECT min(rowid) FROM users GROUP BY id);
DELETE FROM cards WHERE rowid NOT IN (SELECT max_by(rowid, (seen_at, rowid)) FROM cards GROUP BY id);
