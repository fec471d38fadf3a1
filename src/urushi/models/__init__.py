"""The methods, one file each: this folder is the catalogue. `base.py` is their contract."""

from urushi.models._building import Layer, build_model, layers

__all__ = ["Layer", "build_model", "layers"]
