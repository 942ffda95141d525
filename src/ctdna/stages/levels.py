"""The levels of significance of a sample's tests: what they attain together is the false calls that the kit allows."""

import numpy as np
from numpy.typing import NDArray

from ctdna.model.params.call import CallParams
from ctdna.stages.indel_background import IndelPlaces, place_tests
from ctdna.stages.rates import SiteTable, tested
from ctdna.stats.background import IndelNull
from ctdna.stats.limits import coarse, panel_alpha

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def substitution_alpha(sites: SiteTable, mean: Floats, size: Floats, params: CallParams, threads: int) -> float:
    """Return the level of one substitution's test; `mean` and `size` are (sites, 4, 8)."""
    site, alt = np.nonzero(tested(sites))
    n, times = coarse(sites.n[site], up=True), np.ones(len(site), np.int64)
    budget = params.substitution_share * params.false_positives_per_panel
    return panel_alpha(n, mean[site, alt], size[site, alt], times, budget, params.claimed_lod, threads)


def other_alpha(places: IndelPlaces, depth: Ints, null: IndelNull, params: CallParams, threads: int) -> float:
    """Return the level of one indel's or joint change's test, over all places of indels; `depth` is (places, 8)."""
    budget = (1.0 - params.substitution_share) * params.false_positives_per_panel
    return panel_alpha(*place_tests(places, depth, null), budget, params.claimed_lod, threads)
