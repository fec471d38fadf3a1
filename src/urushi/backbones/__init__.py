"""Frozen networks with pretrained weights, one family per file."""
