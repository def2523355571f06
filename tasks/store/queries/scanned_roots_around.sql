-- A root folder ends with its slash already.
SELECT DISTINCT root FROM scanned_roots
WHERE starts_with($folder || '/', rtrim(root, '/') || '/')
ORDER BY root;
