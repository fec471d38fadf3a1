"""The changes of the database's schema, one file each, applied in order when a station starts."""
