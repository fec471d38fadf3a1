"""What there is: the entries of a room, the options of each, and the packages that some need."""

from urushi.catalogue.entries import load, names, opening

__all__ = ["load", "names", "opening"]
