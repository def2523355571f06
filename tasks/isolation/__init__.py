"""Decode in isolated worker processes, so that a bad file cannot crash the run."""
