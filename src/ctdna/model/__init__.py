"""Frozen definitions shared by every layer: columns, parameters, kit, run, metrics, errors."""
