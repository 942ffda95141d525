"""What is said of a candidate beyond its test: neighbours, normals, white cells, origin."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ctdna.model.background import TrainedBackground
from ctdna.model.evidence import BASES
from ctdna.model.params.call import CallParams
from ctdna.stages.judging import Candidate, NormalsSeen
from ctdna.stages.neighbours import Neighbourhood
from ctdna.stages.origin import estimates_of, origin_of, white_cells
from ctdna.stages.rates import SiteTable


class Marker(NamedTuple):
    """What candidates are marked by."""

    params: CallParams
    sites: SiteTable
    trained: TrainedBackground | None
    neighbourhood: Neighbourhood
    judge_white: Callable[[Candidate], Candidate] | None
    """Gives the candidate of the same allele in the white cells; None: there are none."""

    def mark(self, candidates: list[Candidate]) -> list[Candidate]:
        """Return the candidates, in their order, with VAF, neighbours, normals, white cells and origin."""
        seen = white_cells([self.judge_white(c) for c in candidates]) if self.judge_white else [None] * len(candidates)
        found = []
        for candidate, estimate, white in zip(candidates, estimates_of(candidates), seen, strict=True):
            marked = candidate._replace(
                estimate=estimate,
                white=white,
                normals=normals_seen(candidate, self.sites, self.trained),
                is_clustered=self.neighbourhood.is_clustered(candidate),
                is_misaligned=self.neighbourhood.is_misaligned(candidate),
                is_elsewhere=self.neighbourhood.is_elsewhere(candidate),
            )
            found.append(marked._replace(origin=origin_of(marked, self.params)))
        return found


def normals_seen(candidate: Candidate, sites: SiteTable, trained: TrainedBackground | None) -> NormalsSeen | None:
    """Return what the background's donors show of a substitution; None of other alleles, or without a background."""
    if trained is None or candidate.allele.variant_class != "snv":
        return None
    i, base = int(np.searchsorted(sites.slots, candidate.allele.slot)), BASES.index(candidate.allele.alt)
    n = int(trained.site_n[i, base].sum())
    rate = int(trained.site_k[i, base].sum()) / n if n else 0.0
    return NormalsSeen(int(trained.site_donors[i, base]), trained.n_donors, rate)
