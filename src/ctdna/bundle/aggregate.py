"""The figures and counts of a run, without sequence."""

from collections import Counter
from pathlib import Path

from ctdna.formats.documents import read_json
from ctdna.model.aggregates import Aggregates, FigureValue, SampleAggregates, TargetValue
from ctdna.model.qc import Figure, RunQc
from ctdna.model.result import Result, TargetSummary

AGGREGATES = "aggregates.json"


def _figures(figures: tuple[Figure, ...]) -> tuple[FigureValue, ...]:
    fields = FigureValue.model_fields
    return tuple(FigureValue(**{name: getattr(item, name) for name in fields}) for item in figures)


def _target(target: TargetSummary) -> TargetValue:
    return TargetValue(**{name: getattr(target, name) for name in TargetValue.model_fields})


def aggregates_of(result: Result, pseudonym: str) -> SampleAggregates:
    """Return the figures of one sample under its pseudonym."""
    findings = Counter(f"{item.variant_class} {item.state}" for item in result.findings)
    return SampleAggregates(
        sample=pseudonym,
        role=result.sample.role,
        input_ng=result.sample.specimen.input_ng,
        verdict=result.verdict,
        classes={item.variant_class: item.verdict for item in result.classes},
        figures=_figures(result.qc.figures),
        targets=tuple(map(_target, result.targets)),
        n_findings=dict(sorted(findings.items())),
        n_loci=dict(sorted(Counter(item.state for item in result.hotspots).items())),
        losses=result.qc.losses,
    )


def aggregates_of_run(run: Path, samples: dict[str, str]) -> Aggregates:
    """Return the figures of a run's samples (id -> pseudonym), in the order of the pseudonyms.

    Raises:
        InputError: a document is missing or damaged.
    """
    qc = read_json(run / "qc" / "run.json", RunQc)
    made = [
        aggregates_of(read_json(run / "reports" / sample / "result.json", Result), name)
        for sample, name in samples.items()
    ]
    return Aggregates(
        verdict=qc.verdict, figures=_figures(qc.figures), samples=tuple(sorted(made, key=lambda item: item.sample))
    )
