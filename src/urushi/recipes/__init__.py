"""The recipes that come with Urushi, one TOML each."""
