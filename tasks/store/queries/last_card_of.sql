-- The card that was written last of those with files of a manifest.
SELECT c.id, c.root
FROM cards AS c
WHERE EXISTS (SELECT 1 FROM card_files AS f WHERE f.card_id = c.id AND f.manifest_path = $manifest_path)
ORDER BY c.seen_at DESC
LIMIT 1;
