"""Decode, resample, quantise, encode: ``convert(Job) -> Outcome``."""
