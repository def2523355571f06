-- Every path that the records know a source, a manifest or an output folder by, at $root or below it.
WITH paths AS (
    SELECT 'source' AS kind, source_path AS path FROM outputs
    UNION SELECT 'source', source_path FROM card_files
    UNION SELECT 'source', file_path FROM samples
    UNION SELECT 'manifest', manifest_path FROM outputs
    UNION SELECT 'manifest', manifest_path FROM card_files
    UNION SELECT 'manifest', manifest_path FROM sp404_exports
    UNION SELECT 'folder', output_path FROM outputs
    UNION SELECT 'folder', output_path FROM card_files
    UNION SELECT 'folder', output_path FROM sp404_exports
    UNION SELECT 'folder', path FROM output_folders
)
SELECT kind, path FROM paths WHERE path = $root OR starts_with(path, $root || '/') ORDER BY kind, path;
