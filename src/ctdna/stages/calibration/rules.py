"""What every mix is called with."""

from collections.abc import Sequence
from typing import NamedTuple

from ctdna.model.annotation import CommonSnp, Hotspot
from ctdna.model.background import TrainedBackground
from ctdna.model.evidence import Allele, Panel
from ctdna.model.params.call import CallParams
from ctdna.model.variants import CalledVariant
from ctdna.stages.call import CallResult, call, judge_alleles, stated_limits
from ctdna.stages.candidates import make_allele, make_change
from ctdna.stages.evidence import Evidence
from ctdna.stages.judging import Candidate


class Rules(NamedTuple):
    """The parameters, lists and background of calling."""

    params: CallParams
    hotspots: Sequence[Hotspot]
    common_snps: Sequence[CommonSnp]
    trained: TrainedBackground | None
    threads: int

    def call(self, evidence: Evidence) -> CallResult:
        """Return what `ctdna call` says of the sample."""
        return call(evidence, self.params, self.hotspots, self.common_snps, self.trained, "mix", self.threads)

    def judged(self, evidence: Evidence, alleles: Sequence[Allele]) -> list[Candidate]:
        """Return each allele as `ctdna call` judges it."""
        return judge_alleles(evidence, self.params, self.hotspots, self.common_snps, self.trained, alleles)

    def limits(self, candidates: Sequence[Candidate]) -> list[float]:
        """Return the LoD95 that `ctdna call` states for each; NaN where there is none."""
        return [lod95 for _, lod95 in stated_limits(candidates, self.params, self.threads)]


def normal_form(panel: Panel, allele: Allele) -> Allele:
    """Return the allele as `call` writes it: indels left-aligned, without shared bases."""
    return make_allele(panel, make_change(panel, allele)) if allele.variant_class == "indel" else allele


def allele_of(panel: Panel, variant: CalledVariant) -> Allele:
    """Return the allele of a call."""
    return Allele(panel.slot(variant.contig, variant.pos1 - 1), variant.ref, variant.alt)


def is_detected(variant: CalledVariant | None) -> bool:
    """Return whether a candidate is called: without filter, or with `germline` alone."""
    return variant is not None and not set(variant.filters) - {"germline"}
