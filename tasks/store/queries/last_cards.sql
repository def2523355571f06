-- The cards, the last written first: where each was mounted, and the last export that it has files of.
SELECT c.id AS card_id, c.root, c.seen_at, max(f.export_id) AS export_id, count(f.path) AS files
FROM cards AS c
LEFT JOIN card_files AS f ON f.card_id = c.id
GROUP BY c.id, c.root, c.seen_at
ORDER BY c.seen_at DESC
LIMIT 1;
