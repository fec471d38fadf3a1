"""Incremental learning from sums over images: with more images, without some, or of several detectors.

Nothing here sees an image again that was learnt from, unless it is to be unlearnt.
"""
