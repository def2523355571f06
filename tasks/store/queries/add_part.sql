INSERT INTO export_parts (export_id, part) VALUES ($export_id, $part);
