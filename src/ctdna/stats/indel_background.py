"""Contexts of indels and their prior rates.

A context is direction, length of the repeat's unit, its copies in the reference, and how much comes or goes. Its rate
is the chance that one molecule shows a change of the context at one place where the context can begin.
"""

from typing import NamedTuple

import numpy as np

from ctdna.stats.background import Floats, by_class

MAX_RUN = 10
"""Runs and repeats of more copies count as this many."""
MAX_UNIT = 3
"""Units of more bases count as this many."""
MAX_STEP = 3
"""Changes by more units count as this many."""
LONG_CHANGE = 6
"""Outside of repeats, steps are 1 base, fewer than this, and this or more."""
N_INDEL_CONTEXTS = 2 * (MAX_UNIT + 1) * MAX_RUN * MAX_STEP
_TIER_INDEL_RATE = (2e-7, 1e-6, 3e-6, 1e-5)
_RUN_FACTOR = 2.2
_STEP_FACTOR = 0.2
_UNIT_FACTOR = (1.0, 1.0, 0.3, 0.15)
_MOST_GROWTH = 1e3


class IndelContext(NamedTuple):
    """What an indel's null rate depends on."""

    is_insertion: bool
    unit: int
    """Bases of the repeat's unit, at most 3; 0: not in a repeat."""
    copies: int
    """Of the unit in the reference, 1 to 10."""
    step: int
    """Units that come or go, 1 to 3; outside of repeats 1: one base, 2: fewer than 6, 3: 6 or more."""

    def row(self) -> int:
        """Return the row of this context in tables of rates."""
        repeat = (int(self.is_insertion) * (MAX_UNIT + 1) + self.unit) * MAX_RUN + self.copies - 1
        return repeat * MAX_STEP + self.step - 1


def context_of(n_deleted: int, n_inserted: int, run: tuple[int, int]) -> IndelContext:
    """Return the context of a change by its bases and the unit length and copies of its repeat ((0, 1): none)."""
    unit, copies = run
    length = max(n_deleted, n_inserted)
    if unit == 0:
        return IndelContext(n_deleted == 0, 0, 1, 1 if length == 1 else 2 if length < LONG_CHANGE else 3)
    step = min(max(length // unit, 1), MAX_STEP)
    return IndelContext(n_deleted == 0, min(unit, MAX_UNIT), min(max(copies, 1), MAX_RUN), step)


def all_contexts() -> tuple[IndelContext, ...]:
    """Return every context, by index."""
    numbers = np.ndindex(2, MAX_UNIT + 1, MAX_RUN, MAX_STEP)
    return tuple(IndelContext(bool(i), unit, copies + 1, step + 1) for i, unit, copies, step in numbers)


def prior_indels() -> Floats:
    """Return the prior rates, (contexts, 8 classes).

    They grow by 2.2 with each copy, fall to a fifth with each further unit of the change, and are lower for units of
    more bases. Like the substitutions' prior, a convention and no measurement.
    """
    factors = [
        min(_RUN_FACTOR ** (c.copies - 1), _MOST_GROWTH) * _STEP_FACTOR ** (c.step - 1) * _UNIT_FACTOR[c.unit]
        for c in all_contexts()
    ]
    capped: Floats = np.minimum(np.array(factors)[:, None] * by_class(_TIER_INDEL_RATE)[None, :], 0.05)
    return capped
