INSERT INTO cards (id, root, seen_at, run) VALUES ($card_id, $root, $now, $run);
