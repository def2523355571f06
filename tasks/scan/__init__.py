"""From folders of samples to the rows of a manifest: what lies there, and what its names tell. Pure, but for the walk."""
