"""The methods, one file each: this folder is the catalogue. `base.py` is their contract."""
