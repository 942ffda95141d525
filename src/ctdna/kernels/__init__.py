"""Compiled kernels on arrays of raw records; one decorator, one cache."""
