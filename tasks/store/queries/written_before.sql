-- Every hash that any export ever wrote to one of these paths, below whatever output folder.
SELECT w.path, o.file_hash, o.metadata_hash
FROM wanted AS w JOIN outputs AS o USING (path)
WHERE o.file_hash IS NOT NULL
UNION
SELECT w.path, s.file_hash, NULL
FROM wanted AS w
JOIN sp404_export_samples AS s
    ON concat_ws('/', nullif(s.output_subfolder, ''), s.output_filename) = w.path
WHERE s.file_hash IS NOT NULL;
