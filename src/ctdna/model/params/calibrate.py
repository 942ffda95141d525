"""Parameters of the calibrate stage."""

from ctdna.model.base import Frozen


class CalibrateParams(Frozen):
    """How samples are mixed, and what counts as shown."""

    fractions: tuple[float, ...]
    """Shares of the spike's molecules in a mix; none: those that `multiples` ask for."""
    multiples: tuple[float, ...]
    """Where no fractions are given: the median allele lies at so many times its LoD95."""
    depths: tuple[float, ...]
    """Mean molecules per site to thin to; none: all molecules of the base."""
    replicates: int
    """Mixes of each base, depth and fraction."""
    seed: int
    ratio_edges: tuple[float, ...]
    """Edges of the bins of VAF over LoD95, rising; below the first and above the last are bins too."""
    at_limit: float
    """Trials at 1 to so many times their LoD95 show whether it catches 95 in 100."""
    min_trials: int
    """A bin of fewer trials is not judged."""
    confidence: float
    """Level of all intervals."""
    max_drawn_share: float
    """Largest share of the spike's molecules in one mix; beyond it, mixes would repeat the same molecules."""
    p_levels: tuple[float, ...]
    """Levels at which the p-values of unmixed samples are counted."""
