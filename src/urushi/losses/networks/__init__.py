"""Frozen networks by whose features images are compared, one per file."""
