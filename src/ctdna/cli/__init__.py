"""The commands, one module each: read, call, write."""
