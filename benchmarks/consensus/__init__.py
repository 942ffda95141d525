"""Grouping and consensus beside their peers."""
