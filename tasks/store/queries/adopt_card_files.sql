INSERT INTO card_files BY NAME SELECT $card_id AS card_id, * EXCLUDE (stale), $now AS written_at FROM adopted;
