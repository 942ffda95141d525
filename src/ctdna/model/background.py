"""The background trained on normal samples."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class TrainedBackground(NamedTuple):
    """Error counts and fitted sizes of a panel, bound to kit, panel and counting rules."""

    kit: str
    """`name@version`, or `.` where it was trained without a kit."""
    panel_digest: str
    """Of the targets and their reference bases."""
    rules: dict[str, int]
    """Counting rules that must be the same in use: fragment_end_bases, min_base_quality, min_mapq."""
    n_donors: int
    context_mean: NDArray[np.float64]
    """(64 trinucleotides, 4 alternate bases, 8 classes)."""
    site_size: NDArray[np.float64]
    """(8,) size of the beta law of sites around their context."""
    donor_size: NDArray[np.float64]
    """(8,) size of the beta law of donors around their substitution."""
    site_k: NDArray[np.int64]
    """(sites, 4, 8) molecules with a wrong base, all donors."""
    site_n: NDArray[np.int64]
    """(sites, 4, 8) molecules, less those of donors left out for that allele."""
    indel_k: NDArray[np.int64]
    """(20 contexts, 8)."""
    indel_n: NDArray[np.int64]
    """(20 contexts, 8)."""
    site_donors: NDArray[np.int32]
    """(sites, 4) donors with 2 molecules of the allele or more, which was not their germline."""
