"""Helpers of the tests. Test files import from here and never from each other."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The folder of the checkout."""
