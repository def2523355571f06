SELECT root FROM scanned_roots
WHERE manifest_path = $manifest_path
ORDER BY root;
