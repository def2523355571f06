SELECT name, id FROM kits ORDER BY id;
