"""Measure levels, waveforms, tempo and key."""
