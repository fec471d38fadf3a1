"""Simulated radiographs of food with foreign objects, in place of the source's images, which are not public.

shapes and layers (mm along the beam) → transmission (Lambert–Beer) → scanner (photons, noise, grey levels) → data set
"""
