from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ctdna.kernels.power import detection_chances, warm
from ctdna.kernels.tails import class_weights
from tests.naive_evidence import missed, null_tail

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    warm()


classes = st.lists(st.tuples(st.integers(0, 5), st.floats(1e-4, 0.1), st.floats(5, 1e4)), min_size=1, max_size=3)


@settings(max_examples=30)
@given(rows=classes, alpha=st.floats(1e-4, 0.3), least=st.integers(1, 3), vaf=st.floats(0.01, 0.9))
def test_chance_equals_the_sum_over_all_combinations(
    rows: list[tuple[int, float, float]], alpha: float, least: int, vaf: float
) -> None:
    n, mean, size = (np.array([column]) for column in zip(*rows, strict=True))
    n = n.astype(np.int64)
    out = np.empty(1)
    detection_chances(n, mean, size, 0.01, np.array([alpha]), least, np.array([vaf]), out)
    weights = class_weights(n[0], mean[0], 0.01).tolist()
    laws = (n[0].tolist(), mean[0].tolist())
    size_of = size[0].tolist()
    score = bisect_left(range(241), -alpha, key=lambda at: -null_tail(*laws, size_of, weights, at))
    assume(all(abs(null_tail(*laws, size_of, weights, at) / alpha - 1) > 1e-6 for at in (score - 1, score)))
    expected = 1 - missed(*laws, weights, score, least, vaf) if n.sum() else 0.0
    assert out[0] == pytest.approx(max(0.0, expected), abs=1e-9)
