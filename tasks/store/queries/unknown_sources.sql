-- The sources of a manifest that no export has written a file of.
SELECT w.path FROM wanted AS w ANTI JOIN outputs AS o ON o.source_path = w.path;
