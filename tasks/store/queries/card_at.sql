-- The cards that were mounted at a path.
SELECT id FROM cards WHERE root = $root;
