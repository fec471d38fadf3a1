"""How data sets lie on disk: one module per layout, found by its name."""
