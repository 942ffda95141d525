"""The build: which bytes of code, dependencies and programs make a result, and whether they are those of its lock."""
