INSERT INTO kits (id, name, created_at) SELECT id, name, $now FROM new_kits;
