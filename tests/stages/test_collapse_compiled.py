"""The kernels of collapse and inherit: each compiles once, for the types that `warm` names."""

import numba
import numpy as np
import pytest

from ctdna.kernels import collapse, inherit, spread
from ctdna.stages.collapse import Alignments, Collapser, own_representatives, take_waiting
from tests.builders import records
from tests.collapse_cases import columns
from tests.naive_collapse import Pair
from tests.stages.test_collapse import false_alignments
from tests.stages.test_inherit import inherited_at

pytestmark = pytest.mark.timeout(120)
PAIRS = [Pair(f"A{letter}-GT", ("ACGTACGT" + letter * 8, "TTACTTAC" + letter * 9)) for letter in "ACGT"]


def _signatures() -> dict[str, int]:
    return {
        f"{module.__name__}.{name}": len(kernel.signatures)
        for module in (collapse, spread, inherit)
        for name, kernel in vars(module).items()
        if kernel.__class__.__name__ == "CPUDispatcher"
        and kernel.py_func.__module__ == module.__name__
        and not name.startswith("_")
    }


def _collapse_and_spread() -> None:
    collapser, alignments = Collapser(8), Alignments(8)
    for first in range(0, 24, 4):
        waiting, new = collapser.collapse(columns(PAIRS, 0, first), columns(PAIRS, 1, first))
        alignments.add(records(false_alignments(new)))
        alignments.spread(waiting)
    own = own_representatives(take_waiting(waiting, np.array([1, 2], dtype=np.int64)), 0)
    again = Alignments(0)
    again.add(records(false_alignments(own)))
    assert len(again.spread(own)[0]) == 4


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="kernels run as plain Python")
def test_one_specialisation_each_and_warm_makes_it() -> None:
    for module in (collapse, spread, inherit):
        module.warm()
    before = _signatures()
    _collapse_and_spread()
    for start, size in ((0, 50), (399, 3)):
        inherited_at(start, size)
    assert _signatures() == before
    assert set(before.values()) == {1}
