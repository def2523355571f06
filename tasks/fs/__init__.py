"""File system helpers: atomic writes, hashes and file status."""
