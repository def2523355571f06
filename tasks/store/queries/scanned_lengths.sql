-- The headers of these files (`wanted`), as far as a scan has read them.
SELECT s.path, s.bytes, s.header FROM scanned_files AS s JOIN wanted USING (path) WHERE s.header IS NOT NULL;
