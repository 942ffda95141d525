"""Where an allele comes from: the tumour, a clone of blood cells, or the germline."""

import numpy as np

from ctdna.model.params.call import CallParams
from ctdna.model.variants import WhiteCells
from ctdna.stages.judging import Candidate, Estimate, looks_germline
from ctdna.stats.intervals import shared_vaf


def estimates_of(candidates: list[Candidate]) -> list[Estimate]:
    """Return each candidate's VAF less the background, with its interval."""
    if not candidates:
        return []
    rows = [np.array([getattr(c.counts, name) for c in candidates], dtype=np.int64) for name in ("alt", "depth")]
    found = shared_vaf(rows[0], rows[1], np.array([c.mean for c in candidates]))
    columns = (column.tolist() for column in found)
    return [Estimate(*row) for row in zip(*columns, strict=True)]


def white_cells(seen: list[Candidate]) -> list[WhiteCells]:
    """Return what white cells show, from candidates of the same alleles that were counted there."""
    return [
        WhiteCells(int(c.counts.ref.sum()), c.n_alt, c.depth, estimate.vaf, estimate.low, estimate.high, c.p_value)
        for c, estimate in zip(seen, estimates_of(seen), strict=True)
    ]


def origin_of(candidate: Candidate, params: CallParams) -> str:
    """Return the allele's origin, one of `model.variants.ORIGINS`.

    With white cells: germline from `white_germline_vaf` in them on, whatever the plasma shows, since a tumour's loss of
    the other allele lifts an inherited one; tumour where the plasma's interval lies above theirs, which must end below
    `white_chip_vaf`; chip where they show the allele significantly, below `white_chip_vaf`; else, also where they
    are too few to exclude it, unresolved.
    Without: germline where the VAF looks so, else unresolved.
    """
    white, plasma = candidate.white, candidate.estimate
    if white is None or plasma is None:
        return "germline" if looks_germline(candidate, params) else "unresolved"
    if white.depth == 0 or candidate.n_alt == 0:
        return "unresolved"
    is_shown = white.p_value <= params.white_alpha
    if is_shown and white.vaf >= params.white_germline_vaf:
        return "germline"
    if plasma.low > white.high and white.high < params.white_chip_vaf:
        return "tumour"
    return "chip" if is_shown and white.vaf < params.white_chip_vaf else "unresolved"
