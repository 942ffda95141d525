"""Variant calling beside its peers."""
