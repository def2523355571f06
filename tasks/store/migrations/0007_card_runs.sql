-- The last run that is known to have written to a card. The card has another number where it was cloned or restored, or where
-- another database had it written; NULL is "not known".
ALTER TABLE cards ADD COLUMN run BIGINT;
-- How the files on a card are laid out; NULL where the export is no longer in the records.
ALTER TABLE card_files ADD COLUMN organized_by VARCHAR;
ALTER TABLE card_files ADD COLUMN format VARCHAR;
UPDATE card_files SET organized_by = e.organized_by, format = e.format
FROM sp404_exports AS e WHERE e.id = card_files.export_id;
