"""From an Illumina run folder to one locked-down clinical ctDNA report per sample."""

from importlib.metadata import version

__version__ = version("ctdna")
