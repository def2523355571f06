INSERT INTO cards (id, root, seen_at) VALUES ($card_id, $root, $now);
