"""Losses that several methods share, one file each."""
