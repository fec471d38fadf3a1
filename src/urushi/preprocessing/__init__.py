"""Pixel operations that make images comparable, one file each, and their pipeline. Knows no torch."""

from urushi.preprocessing._pipeline import Pipeline, Prepared

__all__ = ["Pipeline", "Prepared"]
