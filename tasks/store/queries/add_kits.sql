INSERT INTO kits (id, name, created_at) SELECT id, name, created_at FROM new_kits;
