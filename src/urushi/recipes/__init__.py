"""The sections of a recipe, the recipes that come with Urushi, one TOML each, and how recipes are read from files."""
