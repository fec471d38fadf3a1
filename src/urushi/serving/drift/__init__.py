"""Whether what is normal has changed since the fit: scores of normal decisions, light and sharpness of their images."""
