-- The folders that were scanned for each manifest: an output folder below one of them deserves a note.
CREATE TABLE scanned_roots (manifest_path VARCHAR NOT NULL, root VARCHAR NOT NULL);
