"""The detector file: what a detector is made of as members, and the checked archive that holds them."""
