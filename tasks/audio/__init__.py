"""Decode, process, measure and write audio."""
