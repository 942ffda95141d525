"""What `calibrate` answers: trials of known alleles, bins of them, calls on unmixed samples, the verdict."""

from typing import Literal, NamedTuple

from ctdna.model.base import Frozen

Judgement = Literal["holds", "does not hold", "too few data to say"]
HOLDS: Judgement = "holds"
FAILS: Judgement = "does not hold"
UNKNOWN: Judgement = "too few data to say"
REJECTED = ("off_panel", "not_called_in_spike", "in_base")
"""Why an allele of the spike is not followed in a base."""


class Trial(NamedTuple):
    """One known allele in one mix."""

    base: str
    depth: str
    """Mean molecules per site that were asked for; `all`: not thinned."""
    fraction: float
    replicate: int
    contig: str
    pos1: int
    ref: str
    alt: str
    variant_class: str
    spike_alt: int
    """Molecules of the whole spike with the allele, and all that decide about it."""
    spike_depth: int
    vaf: float
    """Expected in the mix, from the chance of every molecule to be drawn."""
    n_alt: int
    n: int
    lod95: float | None
    """As stated for this allele in this mix."""
    expected: float
    """Chance of detection by the model that calls, at `vaf`."""
    is_detected: bool
    reason: str
    """Filters of an allele that was not called, `unseen` where it was no candidate, `.` where it was called."""

    @property
    def ratio(self) -> float:
        """Return the VAF over the stated LoD95, 0 where there is none."""
        return self.vaf / self.lod95 if self.lod95 else 0.0


class RatioBin(Frozen):
    """Trials whose VAF lies at `low` to `high` times their LoD95."""

    low: float
    high: float | None
    trials: int
    detected: int
    observed: float | None
    """Share detected; None without trials."""
    observed_low: float
    """Clopper and Pearson's interval."""
    observed_high: float
    expected: float | None
    """Mean of the trials' chances of detection."""
    is_within: bool | None
    """Whether the interval holds the expected share; None with too few trials."""


class ClassTotal(Frozen):
    """All trials of one class of variant."""

    variant_class: str
    trials: int
    detected: int
    expected: float
    """Expected number of detections, and its standard deviation."""
    expected_sd: float


class Dilution(Frozen):
    """All trials of one base, depth and fraction."""

    base: str
    depth: str
    fraction: float
    trials: int
    median_vaf: float
    median_lod95: float | None
    detected: int
    expected: float
    """Expected number of detections."""


class LevelCount(Frozen):
    """P-values of unmixed samples at or below one level."""

    level: float
    tests: int
    expected: float
    """At most so many by the level; fewer, since p-values of counts are steps."""
    observed: int
    observed_low: float
    """Exact Poisson interval."""
    observed_high: float


class FalseCall(Frozen):
    """One call in an unmixed sample that is neither germline nor known."""

    base: str
    depth: str
    replicate: int
    contig: str
    pos1: int
    ref: str
    alt: str
    vaf: float
    n_alt: int


class Blanks(Frozen):
    """Calls on unmixed samples that do not share a molecule."""

    samples: int
    bases: int
    """Panel positions tested, over all samples."""
    calls: tuple[FalseCall, ...]
    per_mb: float
    per_mb_low: float
    """Exact Poisson interval."""
    per_mb_high: float
    stated_per_mb: float
    """What the parameters allow: the panel's share and, at their own level, the hotspots."""
    levels: tuple[LevelCount, ...]


class Calibration(Frozen):
    """The answer of the calibrate stage."""

    bases: tuple[str, ...]
    spike: str | None
    alleles: dict[str, int]
    """Alleles followed, by base."""
    rejected: dict[str, dict[str, int]]
    """Alleles not followed, by base and reason."""
    trials: int
    detected: int
    expected: float
    """Expected number of detections over all trials."""
    expected_sd: float
    """Its standard deviation."""
    missed_by: dict[str, int]
    """Reasons of the misses at or above the stated LoD95."""
    classes: tuple[ClassTotal, ...]
    bins: tuple[RatioBin, ...]
    share_within: float | None
    """Share of the judged bins that are within."""
    at_limit: RatioBin
    """Trials just at and above their LoD95."""
    dilutions: tuple[Dilution, ...]
    blanks: Blanks
    limit_judgement: Judgement | None
    """On LoD95; None without a spike."""
    blank_judgement: Judgement
    """On false positives."""
    judgement: Judgement
