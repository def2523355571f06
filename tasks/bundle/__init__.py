"""Metadata files beside the samples, ZIP archives and SD cards."""
