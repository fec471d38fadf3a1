"""X-ray physics: attenuation, tube spectra, the voltage that shows an object best, simulated radiographs (S2 ch. 1)."""
