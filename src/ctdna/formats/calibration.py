"""The tables of `calibrate`: bins of VAF over LoD95, and every trial."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ctdna.formats.atomic import write_text
from ctdna.formats.tables import figure
from ctdna.model.calibration import Calibration, RatioBin, Trial

BIN_COLUMNS = (
    *("row", "from_lod95", "to_lod95", "trials", "detected", "observed", "observed_low", "observed_high", "expected"),
    "within",
)
TRIAL_COLUMNS = (
    *("base", "depth", "fraction", "replicate", "contig", "pos1", "ref", "alt", "class", "spike_alt", "spike_depth"),
    *("spike_vaf", "vaf", "alt_molecules", "molecules", "lod95", "ratio", "expected", "detected", "reason"),
)
_WITHIN = {True: "yes", False: "no", None: "."}


def _bin_line(name: str, one: RatioBin) -> str:
    figures = (one.observed, one.observed_low, one.observed_high, one.expected)
    fields = [name, figure(one.low), figure(one.high), str(one.trials), str(one.detected), *map(figure, figures)]
    return "\t".join([*fields, _WITHIN[one.is_within]])


def _trial_line(trial: Trial) -> str:
    fields = [trial.base, trial.depth, figure(trial.fraction), str(trial.replicate), trial.contig, str(trial.pos1)]
    fields += [trial.ref, trial.alt, trial.variant_class, str(trial.spike_alt), str(trial.spike_depth)]
    fields += [figure(trial.spike_alt / max(1, trial.spike_depth)), figure(trial.vaf), str(trial.n_alt), str(trial.n)]
    fields += [figure(trial.lod95), figure(trial.ratio), figure(trial.expected), str(int(trial.is_detected))]
    return "\t".join([*fields, trial.reason])


def bin_lines(report: Calibration) -> Iterator[str]:
    """Return the table of bins, header first; the row `at_limit` holds the trials just at and above their LoD95."""
    yield "#" + "\t".join(BIN_COLUMNS)
    yield from (_bin_line("bin", one) for one in report.bins)
    yield _bin_line("at_limit", report.at_limit)


def trial_lines(trials: Iterable[Trial]) -> Iterator[str]:
    """Return the table of trials, header first."""
    yield "#" + "\t".join(TRIAL_COLUMNS)
    yield from map(_trial_line, trials)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    write_text(path, "\n".join(lines) + "\n")
