"""Kit versions: find, read, check, and the reference they name."""
