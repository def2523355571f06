SELECT id FROM sp404_exports WHERE finished_at IS NULL ORDER BY id;
