-- The settings of the newest finished export of a whole manifest.
SELECT settings
FROM sp404_exports
WHERE manifest_path = $manifest_path AND finished_at IS NOT NULL AND settings ->> 'is_selection' = 'false'
ORDER BY id DESC
LIMIT 1;
