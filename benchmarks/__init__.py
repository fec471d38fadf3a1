"""Speed and memory, always as a ratio to a named reference measured in the same run. See README.md."""
