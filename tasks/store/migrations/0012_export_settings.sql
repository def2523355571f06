-- The settings in force of an export, as JSON by their names: those of its layout, format and sound. NULL: made by an earlier version.

ALTER TABLE sp404_exports ADD COLUMN IF NOT EXISTS settings VARCHAR;
