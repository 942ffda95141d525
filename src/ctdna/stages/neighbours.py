"""What the molecules of an allele look like: several changes near by, or another place in the genome.

Several changes near by speak of another place, too, or of damage along the fragment.
"""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.candidates import calls_at
from ctdna.kernels.misalignment import doubtful_molecules
from ctdna.kernels.realign_alleles import ALT, REF
from ctdna.model.evidence import BASES, HAS_OTHER_PLACE, Panel
from ctdna.model.params.call import CallParams
from ctdna.stages.candidates import Verdicts, region_bounds
from ctdna.stages.evidence import Evidence
from ctdna.stages.joining import Phasing
from ctdna.stages.judging import Candidate
from ctdna.stats.tests import fisher_more

Ints = NDArray[np.int64]


def verdicts_of(phasing: Phasing, candidate: Candidate) -> Verdicts:
    """Return what each molecule says about the candidate's allele."""
    allele, parts = candidate.allele, candidate.parts
    return phasing.together(allele, parts) if parts else phasing.verdicts(allele)


class Neighbourhood:
    """Knows which bases are rare at each slot, and looks at what molecules carry around an allele."""

    def __init__(self, evidence: Evidence, phasing: Phasing, params: CallParams) -> None:
        """Count each base's share of the molecules, slot by slot."""
        self._evidence, self._phasing, self._params = evidence, phasing, params
        by_base = evidence.counts.classes.sum(axis=2)
        depth = by_base.sum(axis=1, keepdims=True)
        self._is_rare = by_base < params.cluster_max_vaf * depth
        flags = evidence.reads.flags & HAS_OTHER_PLACE
        starts = evidence.molecules[:-1]
        self._is_elsewhere = np.maximum.reduceat(flags, starts) > 0 if len(starts) else np.zeros(0, dtype=bool)

    def _slots_around(self, panel: Panel, candidate: Candidate) -> Ints:
        """Return the slots in the window, less the allele's own and those that could be joined with it."""
        low, high = region_bounds(panel, candidate.allele.slot)
        first, last = candidate.allele.slot, candidate.allele.slot + len(candidate.allele.ref)
        margin, window = self._params.mnv_distance, self._params.cluster_window
        before = np.arange(max(low, first - window), max(low, first - margin))
        behind = np.arange(min(high, last + margin), min(high, last + window))
        return np.concatenate([before, behind]).astype(np.int64)

    def is_clustered(self, candidate: Candidate) -> bool:
        """Return whether enough of the molecules with the allele carry enough other rare changes in the window.

        Alleles that are no rare changes themselves, and parts of joint changes, are never clustered.
        """
        params, evidence = self._params, self._evidence
        slots = self._slots_around(evidence.panel, candidate)
        if candidate.is_part or candidate.n_alt == 0 or candidate.vaf >= params.cluster_max_vaf or len(slots) == 0:
            return False
        verdicts = verdicts_of(self._phasing, candidate)
        molecules = verdicts.molecule[verdicts.verdict == ALT]
        calls = calls_at(evidence.reads, evidence.molecules, molecules, slots, params.fragment_end_bases)
        base, reference = calls & 7, evidence.panel.regions.reference[slots].astype(np.int64)
        is_change = (base < 4) & (reference < 4) & (base != reference)
        is_change &= self._is_rare[slots[None, :], np.minimum(base, 3)]
        n_doubtful = int((is_change.sum(axis=1) >= params.cluster_changes).sum())
        return n_doubtful >= params.cluster_share * max(1, len(molecules))

    def is_misaligned(self, candidate: Candidate) -> bool:
        """Return whether most molecules of a substitution end near by and fit an indel beside it better.

        Only substitutions can be; a molecule that reads on past the repeat beside is never explained so.
        """
        params, evidence, allele = self._params, self._evidence, candidate.allele
        if allele.variant_class != "snv" or candidate.n_alt == 0 or params.misaligned_bases == 0:
            return False
        chosen = self._phasing.index.over(allele.slot, allele.slot + 1)
        place = allele.slot, BASES.index(allele.alt), params.misaligned_bases
        n, n_doubtful = doubtful_molecules(evidence.reads, evidence.panel.regions, chosen, evidence.molecule_of, *place)
        return bool(n_doubtful >= params.misaligned_share * max(1, n))

    def is_elsewhere(self, candidate: Candidate) -> bool:
        """Return whether most molecules with the allele fit another place as well, more than the others do.

        By Fisher's exact test against the reference molecules, at `artefact_p`; a whole target that is not unique
        marks nothing.
        """
        if candidate.n_alt == 0 or not self._is_elsewhere.any():
            return False
        verdicts = verdicts_of(self._phasing, candidate)
        alt, ref = (self._is_elsewhere[verdicts.molecule[verdicts.verdict == code]] for code in (ALT, REF))
        n_alt, n_ref = int(alt.sum()), int(ref.sum())
        if 2 * n_alt <= len(alt):
            return False
        return fisher_more(n_alt, len(alt) - n_alt, n_ref, len(ref) - n_ref) < self._params.artefact_p
