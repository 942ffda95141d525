"""The table of a background's calibration."""

from pathlib import Path

from ctdna.formats.atomic import write_text
from ctdna.model.held_out import LEVELS, HeldOut

COLUMNS = (
    "tests",
    "n_tests",
    "level",
    "expected",
    "observed",
    "own",
    "ks_statistic",
    "ks_p",
    "calls_expected",
    "calls_observed",
)


def write_calibration(path: Path, calibration: HeldOut) -> None:
    """Write one row per group of tests and level, tab-separated; figures in 6 significant digits.

    Raises:
        InputError: the file cannot be written.
    """
    lines = [
        f"#donors held out, one by one: {calibration.n_donors}",
        "\t".join(COLUMNS),
    ]
    for group in calibration.groups:
        calls = (group.expected_calls, group.observed_calls)
        for level, observed, own in zip(LEVELS, group.observed, group.own, strict=True):
            figures = (level, group.n_tests * level, observed, own, group.ks_statistic, group.ks_p, *calls)
            lines.append("\t".join([group.name, str(group.n_tests), *(f"{value:.6g}" for value in figures)]))
    write_text(path, "\n".join(lines) + "\n")
