"""What judges restored windows, one kind per file (S1 §4.1.3 and §5.5)."""
