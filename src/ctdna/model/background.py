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
    params: dict[str, float]
    """Rules of the training, `model.params.background.BackgroundParams`."""
    facts: dict[str, str]
    """What else the donors share: `instrument` (empty where unknown)."""
    n_donors: int
    context_mean: NDArray[np.float64]
    """(64 trinucleotides, 4 alternate bases, 8 classes)."""
    site_shape: NDArray[np.float64]
    """(8,) shape, 1 / (coefficient of variation)^2, of sites' rates around their context's."""
    factor_shape: NDArray[np.float64]
    """(2, 8) shape of donors' factors: of a group (deamination, oxidation, others), and of a substitution within it."""
    donor_shape: NDArray[np.float64]
    """(8,) shape of a donor's rate at a site around the site's rate times the donor's factor."""
    site_k: NDArray[np.int64]
    """(sites, 4, 8) molecules with a wrong base, all donors."""
    site_n: NDArray[np.int64]
    """(sites, 4, 8) molecules, less those of donors left out for that allele."""
    indel_k: NDArray[np.int64]
    """(indel contexts, 8) molecules with an indel, all donors."""
    indel_n: NDArray[np.int64]
    """(indel contexts, 8) molecules at places where the context can begin."""
    indel_shape: NDArray[np.float64]
    """(8,) shape of places' indel rates around their context's."""
    indel_factor_shape: NDArray[np.float64]
    """(8,) shape of donors' factors of indels."""
    site_donors: NDArray[np.int32]
    """(sites, 4) donors with 2 molecules of the allele or more, which was not their germline."""
    calibration: dict[str, float]
    """Figures of the leave-one-donor-out calibration; empty where none was made."""
