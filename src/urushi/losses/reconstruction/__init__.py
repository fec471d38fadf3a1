"""How far a reconstruction is from its image, one loss per file."""
