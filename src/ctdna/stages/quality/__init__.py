"""The parts of quality control: figures and limits, coverage, contamination, identity, controls."""
