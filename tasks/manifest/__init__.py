"""Read a manifest and reject the rows that break a rule."""
