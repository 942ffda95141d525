"""`equivalence.json`: archived runs beside their replay under another kit or build."""

from typing import Literal

from ctdna.model.base import Frozen
from ctdna.model.change import Tables
from ctdna.model.impact import Acceptance
from ctdna.model.params.qc import VariantClass

CallState = Literal["DETECTED", "NOT_DETECTED", "NO_CALL"]
EquivalenceVerdict = Literal["equivalent", "not_equivalent", "not_shown"]
Outcome = Literal["pass", "fail", "not_shown"]


class Side(Frozen):
    """With what a run was made."""

    kit: str
    """`name@version`."""
    kit_digest: str
    software: str
    """ctdna's version."""
    build: str | None
    """Digest of the build; None: the run does not name it."""
    reference: str
    align: str


class ComparedRun(Frozen):
    """One archived run and its replay."""

    run_id: str
    baseline: Side
    candidate: Side | None
    """None: the replay failed."""
    start: Literal["input", "fastq"]
    """From what the archived run has read, or from the FASTQ files that it has kept."""
    inputs: Literal["bundle", "provenance", "unverified"]
    """By what it was shown that both read the same: digests of every input; of the files that name the run; nothing."""
    failure: str | None
    """Why the replay failed."""
    samples: tuple[str, ...]


class LocusDifference(Frozen):
    """One figure or state that is not the same."""

    run_id: str
    sample: str | None
    """None: of the run."""
    kind: Literal["run", "sample", "locus", "finding", "target", "figure", "verdict"]
    item: str
    """Allele, target or figure."""
    field: str
    baseline: str | None
    """None: it is not there."""
    candidate: str | None


class Rate(Frozen):
    """A share with its Wilson interval."""

    n_agree: int
    n: int
    value: float | None
    """None: nothing to count."""
    low: float | None
    high: float | None


class Agreement(Frozen):
    """How the replay agrees with the archived runs; the archived runs are the comparator (CLSI EP12)."""

    unit: Literal["locus", "sample"]
    variant_class: VariantClass | None
    """None: all."""
    ppa: Rate
    npa: Rate
    opa: Rate
    n_no_call_both: int
    n_no_call_baseline: int
    """Alone."""
    n_no_call_candidate: int
    """Alone."""
    n_detected_lost_to_no_call: int
    """Of those: detected in the archived run."""

    @property
    def n_units(self) -> int:
        """Return how many pairs were looked at."""
        return self.opa.n + self.n_no_call_both + self.n_no_call_baseline + self.n_no_call_candidate


class Estimate(Frozen):
    """A figure with its interval."""

    value: float
    low: float | None
    high: float | None


class VafComparison(Frozen):
    """VAFs of alleles detected in both."""

    n: int
    relative_bias: Estimate | None
    """Mean of (candidate - baseline) / their mean; None: no pair."""
    absolute_bias: Estimate | None
    """Mean of candidate - baseline (Bland and Altman)."""
    agreement_low: float | None
    """Limits that hold 95 of 100 differences (mean -/+ 1.96 standard deviations)."""
    agreement_high: float | None
    slope: Estimate | None
    """Deming's regression, errors of both alike; interval by jackknife. None: fewer than 3 pairs, or no spread."""
    intercept: Estimate | None


class Check(Frozen):
    """One limit of acceptance."""

    name: Literal["runs", "ppa", "npa", "no_calls", "vaf_bias", "verdicts"]
    found: str
    allowed: str
    outcome: Outcome
    reason: str


class Equivalence(Frozen):
    """The comparison of archived runs with their replay."""

    schema_version: Literal[1] = 1
    rules: Tables
    """The table that gave the limits."""
    limits: Acceptance
    """As used; given by option or by the table."""
    own_limits: tuple[str, ...]
    """Those given by option."""
    runs: tuple[ComparedRun, ...]
    n_samples: int
    """Compared."""
    n_loci: int
    """Pairs of alleles compared."""
    n_figures: int
    """Pairs of figures of quality compared."""
    agreement: tuple[Agreement, ...]
    vaf: VafComparison
    checks: tuple[Check, ...]
    verdict: EquivalenceVerdict
    reason: str
    differences: tuple[LocusDifference, ...]
