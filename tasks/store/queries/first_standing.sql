-- The first export of which a file still stands.
SELECT min(export_id) FROM outputs;
