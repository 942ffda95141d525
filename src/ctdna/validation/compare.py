"""Two runs of the same input side by side: every difference, and the pairs that agreement is counted from."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from ctdna.model.equivalence import CallState, LocusDifference
from ctdna.model.params.qc import VariantClass
from ctdna.validation.outcomes import AlleleOutcome, RunOutcome, SampleOutcome, Values, read_run, read_sample

Kind = Literal["run", "sample", "locus", "finding", "target", "figure", "verdict"]


class AllelePair(NamedTuple):
    """One allele of one sample in both runs."""

    sample: str
    """With its run."""
    key: str
    variant_class: VariantClass
    baseline: CallState
    candidate: CallState
    vaf_baseline: float | None
    vaf_candidate: float | None


class Compared(NamedTuple):
    """What two runs of the same input have to say of each other."""

    samples: tuple[str, ...]
    """Those with a result in both."""
    alone: tuple[str, ...]
    """Those with a result in one of them only."""
    pairs: tuple[AllelePair, ...]
    n_figures: int
    n_changed_verdicts: int
    """Samples whose verdict, or that of one of their classes, is another one."""
    differences: tuple[LocusDifference, ...]


class _Place(NamedTuple):
    """Where a difference lies."""

    run_id: str
    sample: str | None
    kind: Kind

    def differences(self, item: str, old: Values | None, new: Values | None) -> Iterator[LocusDifference]:
        """Yield every field that is not the same; a record of one run only by its first field."""
        if old is None or new is None:
            whole = "; ".join(f"{name} {value}" for name, value in (old or new or {}).items() if value is not None)
            yield self._one(item, "record", whole if new is None else None, whole if old is None else None)
            return
        for field in dict.fromkeys((*old, *new)):
            if field in old and field in new and old[field] != new[field]:
                yield self._one(item, field, old[field], new[field])

    def _one(self, item: str, field: str, old: str | None, new: str | None) -> LocusDifference:
        return LocusDifference(
            run_id=self.run_id,
            sample=self.sample,
            kind=self.kind,
            item=item,
            field=field,
            baseline=old,
            candidate=new,
        )

    def all(self, old: Mapping[str, Values], new: Mapping[str, Values]) -> Iterator[LocusDifference]:
        """Yield every difference of two sets of records."""
        for item in dict.fromkeys((*old, *new)):
            yield from self.differences(item, old.get(item), new.get(item))


def _answer(key: str, one: SampleOutcome, other: AlleleOutcome, is_asked: bool) -> AlleleOutcome | None:
    """Return what a run says of an allele that the other one names; None: it is not asked for there."""
    if key in one.alleles:
        return one.alleles[key]
    if is_asked:
        return None
    is_withheld = one.verdicts.get(other.variant_class) == "fail"
    return AlleleOutcome(other.variant_class, "NO_CALL" if is_withheld else "NOT_DETECTED", None)


def allele_pairs(sample: str, old: SampleOutcome, new: SampleOutcome) -> Iterator[AllelePair]:
    """Yield the alleles that agreement is counted over.

    Those that both kits answer by name, and all others that one of the runs detects: such an allele counts as not
    detected where the other run has no record of it. An allele that only one kit answers by name, and that the other
    run has no record of, is no pair.
    """
    for key in sorted({*old.alleles, *new.alleles}):
        is_reportable = key in old.reportable, key in new.reportable
        known = old.alleles.get(key) or new.alleles[key]
        before = _answer(key, old, known, is_asked=is_reportable[1])
        after = _answer(key, new, known, is_asked=is_reportable[0])
        if before is None or after is None:
            continue
        if all(is_reportable) or "DETECTED" in (before.call, after.call):
            yield AllelePair(sample, key, known.variant_class, before.call, after.call, before.vaf, after.vaf)


def sample_differences(run_id: str, sample: str, old: SampleOutcome, new: SampleOutcome) -> list[LocusDifference]:
    """Return every difference of two results of one sample."""
    found: list[LocusDifference] = []
    found += _Place(run_id, sample, "verdict").differences("verdict", old.verdicts, new.verdicts)
    found += _Place(run_id, sample, "locus").all(old.loci, new.loci)
    found += _Place(run_id, sample, "finding").all(old.findings, new.findings)
    found += _Place(run_id, sample, "target").all(old.targets, new.targets)
    found += _Place(run_id, sample, "figure").all(old.figures, new.figures)
    return found


def _run_differences(run_id: str, old: RunOutcome | None, new: RunOutcome | None) -> list[LocusDifference]:
    before = old or RunOutcome({}, {})
    after = new or RunOutcome({}, {})
    found = list(_Place(run_id, None, "figure").all(before.figures, after.figures))
    found += _Place(run_id, None, "verdict").differences("verdict", before.verdicts, after.verdicts)
    return found


def compare_runs(run_id: str, samples: tuple[str, ...], old: Path, new: Path) -> Compared:
    """Return the comparison of two output folders of the same input.

    Raises:
        InputError: a document of either cannot be read.
    """
    runs = read_run(old), read_run(new)
    differences = _run_differences(run_id, *runs)
    n_figures = len(runs[0].figures) if runs[0] and runs[1] else 0
    both, alone, n_changed = [], [], 0
    pairs: list[AllelePair] = []
    for sample in samples:
        before, after = read_sample(old, sample), read_sample(new, sample)
        if before is None or after is None:
            if before is not after:
                alone.append(sample)
                sides = [None if one is None else one.verdicts for one in (before, after)]
                differences += _Place(run_id, sample, "sample").differences("result", *sides)
            continue
        both.append(sample)
        found = sample_differences(run_id, sample, before, after)
        n_changed += any(one.kind == "verdict" for one in found)
        n_figures += len(set(before.figures) & set(after.figures))
        differences += found
        pairs += allele_pairs(f"{run_id}/{sample}", before, after)
    return Compared(tuple(both), tuple(alone), tuple(pairs), n_figures, n_changed, tuple(differences))
