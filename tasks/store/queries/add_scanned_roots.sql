INSERT INTO scanned_roots (manifest_path, root)
SELECT $manifest_path, root FROM new_scanned_roots
WHERE root NOT IN (SELECT root FROM scanned_roots WHERE manifest_path = $manifest_path);
