"""Parameters of the align and realign stages."""

from ctdna.model.base import Frozen


class AlignParams(Frozen):
    """Which aligner, and what it is told."""

    aligner: str
    """Name of a folder in `pipeline/`, as `bwa`."""
    options: tuple[str, ...]
    """Options handed to it, as `-Y`."""
