DELETE FROM scanned_rows WHERE manifest_path = $manifest_path;
