"""Detect and decode source files into blocks of float32 samples."""
