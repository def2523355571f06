-- Whether a scan with --analyze has listened to a sample of the manifest.
SELECT count(*) > 0 AS any_heard
FROM scanned_rows
JOIN scanned_files USING (path)
WHERE manifest_path = $manifest_path AND heard IS NOT NULL;
