INSERT INTO users (id, name)
SELECT $id, 'user ' || $id WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = $id);
