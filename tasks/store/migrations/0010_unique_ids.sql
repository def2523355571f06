-- An id means one sample, one kit, one card. What was doubled is told apart (0009): DuckDB makes no index beside an update.

CREATE UNIQUE INDEX unique_kit_ids ON kits (id);
CREATE UNIQUE INDEX unique_kit_names ON kits (name);
CREATE UNIQUE INDEX unique_given_ids ON given_ids (file_path);
CREATE UNIQUE INDEX unique_samples ON samples (id);
CREATE UNIQUE INDEX unique_exports ON sp404_exports (id);
CREATE UNIQUE INDEX unique_users ON users (id);
CREATE UNIQUE INDEX unique_cards ON cards (id);
