"""Make the rows of a manifest from folders of samples: find files, infer values, propose kits, merge. Pure, except the walk."""
