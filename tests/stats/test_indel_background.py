import numpy as np

from ctdna.stats.indel_background import N_INDEL_CONTEXTS, IndelContext, all_contexts, context_of, prior_indels


def test_every_context_has_a_row_of_its_own() -> None:
    contexts = all_contexts()
    assert [context.row() for context in contexts] == list(range(N_INDEL_CONTEXTS))


def test_contexts_of_changes() -> None:
    assert context_of(1, 0, (1, 8)) == IndelContext(False, 1, 8, 1)
    assert context_of(2, 0, (1, 8)) == IndelContext(False, 1, 8, 2)
    assert context_of(2, 0, (2, 12)) == IndelContext(False, 2, 10, 1)
    assert context_of(0, 20, (5, 1)) == IndelContext(True, 3, 1, 3)
    assert [context_of(n, 0, (0, 1)).step for n in (1, 2, 5, 6, 30)] == [1, 2, 2, 3, 3]
    assert context_of(15, 3, (0, 1)) == IndelContext(False, 0, 1, 3)


def test_prior_grows_with_the_run_and_falls_with_the_step() -> None:
    rates = prior_indels()
    rows = [IndelContext(False, 1, copies, 1).row() for copies in range(1, 9)]
    assert (np.diff(rates[rows], axis=0) > 0).all()
    one, two = (IndelContext(True, 1, 8, step).row() for step in (1, 2))
    assert (rates[two] < rates[one]).all()
    assert rates.max() <= 0.05
