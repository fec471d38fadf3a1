"""Teaching: good images that people bring, what is odd about them, and recipes in plain words."""
