SELECT greatest((SELECT coalesce(max(id), 0) FROM samples), (SELECT coalesce(max(id), 0) FROM given_ids));
