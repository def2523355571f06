-- A folder that was copied: what the records say of the one it was copied from.
INSERT INTO outputs BY NAME SELECT * REPLACE ($new AS output_path) FROM outputs WHERE output_path = $old;
