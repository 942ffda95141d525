"""Damage of molecules in the simulator, and errors that are correlated.

Stretches of damage, jackpots of small families and misstated qualities are off by default, and then draw no random
number.
"""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel
from ctdna.kernels.random_stream import Int, below, poisson, unit
from ctdna.model.simulated import Amplification, Sequencing

MAX_EVENTS = 24
_RUN = 4


@kernel
def damage(
    state: NDArray[np.uint64], template: NDArray[np.uint8], n: Int, rate: float, found: Int, becomes: Int
) -> None:
    """Change bases of one kind at a rate per such base; positions are drawn, then kept if of that kind."""
    for _ in range(poisson(state, rate * n)):
        at = below(state, n)
        if template[at] == found:
            template[at] = becomes


@kernel
def end_repair(state: NDArray[np.uint64], template: NDArray[np.uint8], n: Int, amplification: Amplification) -> None:
    """Change C to T at the top strand's 5' end and G to A at the other end: the copied overhang of each strand."""
    reach = min(amplification.end_repair_bases, n)
    for _ in range(poisson(state, amplification.end_repair * reach)):
        at = below(state, reach)
        if template[at] == 1:
            template[at] = 3
    for _ in range(poisson(state, amplification.end_repair * reach)):
        at = n - 1 - below(state, reach)
        if template[at] == 2:
            template[at] = 0


@kernel
def is_damaged(state: NDArray[np.uint64], amplification: Amplification) -> bool:
    """Return whether a molecule is one of those damaged in a stretch."""
    return amplification.damaged > 0.0 and unit(state) < amplification.damaged


@kernel
def damage_stretch(
    state: NDArray[np.uint64], template: NDArray[np.uint8], n: Int, side: int, amplification: Amplification
) -> None:
    """Oxidise and deaminate one strand's bases within one stretch of the template; `side` 1 is the bottom strand.

    `template` holds the top strand's bases: what happens to the bottom strand's G stands there at a C.
    """
    reach = min(amplification.damaged_bases, n)
    first = below(state, n - reach + 1)
    guanine, cytosine = (2, 1) if side == 0 else (1, 2)
    becomes = 3 if side == 0 else 0
    for at in range(first, first + reach):
        base = np.int64(template[at])
        rate = 0.0
        if base == guanine:
            rate = amplification.damaged_oxidation
        elif base == cytosine:
            rate = amplification.damaged_deamination
        if rate > 0.0 and unit(state) < rate:
            template[at] = becomes


@kernel
def add_jackpots(
    state: NDArray[np.uint64],
    template: NDArray[np.uint8],
    n: Int,
    n_reads: Int,
    amplification: Amplification,
    events: NDArray[np.int64],
    n_events: Int,
) -> Int:
    """Add substitutions that all reads of a strand carry, the more the fewer its reads; return the events' number.

    Rows are (position, new base, cycle 0): an error before the first cycle is in every copy.
    """
    if amplification.jackpot <= 0.0 or n_reads == 0:
        return n_events
    for _ in range(poisson(state, amplification.jackpot * n / n_reads)):
        if n_events < MAX_EVENTS:
            at = below(state, n)
            events[n_events, 0] = at
            events[n_events, 1] = (np.int64(template[at]) + 1 + below(state, 3)) & 3
            events[n_events, 2] = 0
            n_events += 1
    return n_events


@kernel
def error_scale(read: NDArray[np.uint8], at: Int, cycle: Int, sequencing: Sequencing) -> float:
    """Return the factor on the error rate of one base, from its cycle and from the true bases before it in the read."""
    scale: float = sequencing.cycle_scale[cycle]
    if at >= 2 and read[at - 1] == 2 and read[at - 2] == 2:
        scale *= sequencing.after_gg
    if at >= _RUN:
        run = 1
        while run < _RUN and read[at - run - 1] == read[at - 1]:
            run += 1
        if run == _RUN:
            scale *= sequencing.after_run
    return float(scale)


def warm() -> None:
    """Compile every kernel of this module on one template."""
    rates = Amplification(1.0, 0.0, 0.1, 0.0, 0.0, 0.0, 8, 0.0, 6, 8, 0.0, 1.0, 0.1, 0.1, 4, 0.1)
    codes, state = np.zeros((2, 8), np.uint8), np.zeros(1, np.uint64)
    sequencing = Sequencing(
        np.ones((3, 24, 4)), np.zeros(4), 0.0, codes[0, :2], codes, codes[:1], 2, 2, 10, 0.0, np.ones(24), 1.0, 1.0, 0.0
    )
    with np.errstate(over="ignore"):
        damage(state, codes[0], 8, 0.1, 1, 3)
        end_repair(state, codes[0], 8, rates)
        is_damaged(state, rates)
        damage_stretch(state, codes[0], 8, 0, rates)
        add_jackpots(state, codes[0], 8, 1, rates, np.zeros((MAX_EVENTS, 3), np.int64), 0)
        error_scale(codes[0], 5, 5, sequencing)
