"""How far two trained backgrounds differ, with the size of each difference."""

import json
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.formats.background_file import read_background
from ctdna.kit.contents import of_kit
from ctdna.kit.load import LoadedKit
from ctdna.kit.lock import file_digest
from ctdna.model.background import TrainedBackground
from ctdna.model.change import Change
from ctdna.model.evidence import N_CLASSES, TIERS
from ctdna.validation.records import Records, diff_records, diff_values

Floats = NDArray[np.float64]
FOLD = 2.0
"""A rate that changes by more than this factor is counted; the figure informs and decides nothing."""
_LABELS = ("kit", "panel_digest", "n_donors")
_MAPPINGS = ("rules", "params", "facts", "calibration")
_SUBSTITUTION_SHAPES = ("site_shape", "factor_shape", "donor_shape")
_INDEL_SHAPES = ("indel_shape", "indel_factor_shape")


class RateShift(NamedTuple):
    """How rates moved from one background to the other, as log2 of their ratio."""

    median: float
    low: float
    """5th per cent."""
    high: float
    """95th per cent."""
    n_moved: int
    """Contexts whose rate changed by more than `FOLD`."""
    n: int
    """Contexts with a rate in both."""

    def text(self) -> str:
        """Return it in one line."""
        spread = f"median {self.median:+.2f}, 5 % to 95 % {self.low:+.2f} to {self.high:+.2f}"
        return f"log2 ratio of rates: {spread}; {self.n_moved} of {self.n} contexts change more than {FOLD:g}-fold"


def rate_shift(old: Floats, new: Floats) -> RateShift | None:
    """Return how the rates moved, over those above 0 in both; None where there is none."""
    both = (old > 0) & (new > 0)
    if not both.any():
        return None
    ratio = np.log2(new[both] / old[both])
    low, median, high = (float(value) for value in np.quantile(ratio, [0.05, 0.5, 0.95]))
    return RateShift(median, low, high, int((np.abs(ratio) > np.log2(FOLD)).sum()), len(ratio))


def _class_name(i_class: int) -> str:
    return TIERS[i_class // 2] + (", fragment end" if i_class % 2 else "")


def _real_substitutions(rates: Floats) -> Floats:
    """Return (192, classes): the rates less those of a base read as itself, by its trinucleotide (`16 a + 4 b + c`)."""
    is_other = (np.arange(len(rates))[:, None] // 4) % 4 != np.arange(4)[None, :]
    real: Floats = rates[is_other]
    return real


def _typical(rates: Floats) -> str:
    known = rates[rates > 0]
    return f"{float(np.exp(np.log(known).mean())):.3g}" if len(known) else "none"


def _rates(item: str, old: Floats, new: Floats) -> Iterator[Change]:
    """Yield the classes whose rates differ; the values are geometric means over the contexts."""
    for i_class in range(N_CLASSES):
        before, after = old[..., i_class], new[..., i_class]
        if before.shape == after.shape and np.array_equal(before, after):
            continue
        shift = rate_shift(before, after) if before.shape == after.shape else None
        note = shift.text() if shift is not None else "the contexts are other ones"
        sides = {"old": _typical(before), "new": _typical(after)}
        yield Change(item=item, record=_class_name(i_class), kind="changed", note=note, **sides)


def _indel_rates(trained: TrainedBackground) -> Floats:
    rates: Floats = trained.indel_k / np.maximum(trained.indel_n, 1)
    return rates


def _arrays(item: str, names: tuple[str, ...], old: TrainedBackground, new: TrainedBackground) -> list[Change]:
    def rows(trained: TrainedBackground) -> Records:
        return {name: {"": json.dumps(np.round(getattr(trained, name), 6).tolist())} for name in names}

    return diff_records(item, rows(old), rows(new))


def _sites(old: TrainedBackground, new: TrainedBackground) -> Iterator[Change]:
    pairs = ((old.site_k, new.site_k), (old.site_n, new.site_n))
    if old.site_k.shape != new.site_k.shape:
        sides = {"old": f"{len(old.site_k)} sites", "new": f"{len(new.site_k)} sites"}
        yield Change(item="background.sites", kind="changed", note="the panel's sites are other ones", **sides)
        return
    moved = np.zeros(len(old.site_k), dtype=bool)
    for before, after in pairs:
        moved |= (before != after).any(axis=(1, 2))
    if moved.any():
        sides = {
            name: f"{t.site_k.sum()} errors in {t.site_n.sum()} molecules" for name, t in (("old", old), ("new", new))
        }
        note = f"counts differ at {moved.sum()} of {len(moved)} sites"
        yield Change(item="background.sites", kind="changed", note=note, **sides)


def _normals(old: TrainedBackground, new: TrainedBackground) -> Iterator[Change]:
    if np.array_equal(old.site_donors, new.site_donors):
        return
    sides = {name: f"{(t.site_donors > 0).sum()} alleles seen in a donor" for name, t in (("old", old), ("new", new))}
    yield Change(item="background.normals", kind="changed", **sides)


def _header(old: TrainedBackground, new: TrainedBackground) -> list[Change]:
    sides = [{f"background.{name}": str(getattr(t, name)) for name in _LABELS} for t in (old, new)]
    changes = diff_values(*sides)
    for name in _MAPPINGS:
        rows = [{key: {"": str(value)} for key, value in getattr(t, name).items()} for t in (old, new)]
        changes += diff_records(f"background.{name}", *rows)
    return changes


def diff_trained(old: TrainedBackground, new: TrainedBackground) -> list[Change]:
    """Return what differs between two trained backgrounds: training, rates by class, sites, normals."""
    return [
        *_header(old, new),
        *_rates("background.substitutions", *(_real_substitutions(one.context_mean) for one in (old, new))),
        *_arrays("background.substitution_shapes", _SUBSTITUTION_SHAPES, old, new),
        *_sites(old, new),
        *_rates("background.indels", _indel_rates(old), _indel_rates(new)),
        *_arrays("background.indel_shapes", _INDEL_SHAPES, old, new),
        *_normals(old, new),
    ]


def diff_backgrounds(old: LoadedKit, new: LoadedKit) -> list[Change]:
    """Return what differs between the backgrounds of two kits; empty where both have the same bytes, or none.

    Raises:
        DefinitionError: a background is missing, damaged or changed.
    """
    files = [kit.definition.files.background for kit in (old, new)]
    before, after = (kit.path(name) if name else None for kit, name in zip((old, new), files, strict=True))
    digests = [file_digest(path) if path is not None else None for path in (before, after)]
    if digests[0] == digests[1]:
        return []
    if before is None or after is None:
        present = [{"background": digest} if digest else {} for digest in digests]
        return diff_values(*present)
    changes = diff_trained(of_kit(read_background, before), of_kit(read_background, after))
    form = Change(item="background.form", kind="changed", old=digests[0], new=digests[1], note="digest of the file")
    return [*changes, form]
