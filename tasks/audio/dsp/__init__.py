"""Resample, loop, edit and quantize blocks of samples."""
