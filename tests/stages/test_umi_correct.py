"""Correction to a fixed list against the cases of fgbio's and fgumi's own tests."""

from typing import Any

import numpy as np
import pytest

from ctdna.model.errors import InputError
from ctdna.stages.umi_correct import Corrected, close_pairs, correct_umis, correction_table, fixed_umis
from tests.oracle_cases import Case, case_params

_TURN = str.maketrans("ACGT", "TGCA")


def corrected(umis: list[str], options: dict[str, Any], fixed: list[str]) -> Corrected:
    letters = np.frombuffer("".join(umis).upper().encode(), dtype=np.uint8).copy()
    at = np.arange(len(umis), dtype=np.int64) * len(umis[0] if umis else "")
    return correct_umis(letters, at, fixed_umis(fixed), options["max_mismatches"], options["min_distance"])


@pytest.mark.parametrize("case", case_params("best_fixed_umi"))
def test_nearest(case: Case) -> None:
    fixed = case["input"]["fixed"]
    found = corrected([case["input"]["umi"]], case["options"], fixed)
    assert (found.fixed[0] >= 0) == case["expect"]["matched"]
    assert found.mismatches[0] == case["expect"]["mismatches"]
    if case["expect"]["matched"]:
        assert fixed[found.fixed[0]] == case["expect"]["umi"]


@pytest.mark.parametrize("case", case_params("close_fixed_umis"))
def test_close_pairs(case: Case) -> None:
    pairs = close_pairs(fixed_umis(case["input"]["fixed"]), case["options"]["distance"])
    assert [list(pair) for pair in pairs] == case["expect"]["pairs"]
    assert close_pairs(fixed_umis(["AAAA", "TTTT", "AAAC", "ATTT"]), 1) == [("AAAA", "AAAC", 1), ("TTTT", "ATTT", 1)]


@pytest.mark.parametrize("case", case_params("correct_reads"))
def test_reads(case: Case) -> None:
    fixed = case["options"]["fixed"]
    if case["expect"].get("error"):
        with pytest.raises(InputError, match="CCC has 3 bases, but AAAAAA has 6; all UMIs of a list"):
            fixed_umis(fixed)
        return
    reads = [read for read in case["input"]["reads"] if read["umi"] is not None]
    umis = [read["umi"] for read in reads]
    if case["options"].get("revcomp"):
        umis = [umi[::-1].translate(_TURN) for umi in umis]
    found = corrected(umis, case["options"], fixed)
    kept = [i for i in range(len(reads)) if found.fixed[i] >= 0]
    assert [reads[i]["name"] for i in kept] == case["expect"]["kept"]
    for name, original in case["expect"].get("original_umi", {}).items():
        i = next(i for i in kept if reads[i]["name"] == name)
        assert (found.mismatches[i] > 0) == (original is not None)
    table = dict(zip([*fixed, "NNNNNN"], correction_table(found, len(fixed)).tolist(), strict=True))
    for umi, row in case["expect"].get("metrics", {}).items():
        assert table[umi] == row


def test_an_n_is_a_mismatch_and_one_umi_alone_is_far_from_any_other() -> None:
    found = corrected(["AAAN", "NNNN"], {"max_mismatches": 1, "min_distance": 4}, ["AAAA"])
    assert found.fixed.tolist() == [0, -1]
    assert found.mismatches.tolist() == [1, 4]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "UMI list: it holds no UMI"),
        (["ACGT", "ACGN"], "UMI 2: found 'ACGN'; allowed are A, C, G and T"),
        (["ACGT", "acgt"], "UMI 2: ACGT stands in the list twice"),
    ],
)
def test_messages(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fixed_umis(texts)
