"""Comparisons on real data and their committed results. See README.md."""
