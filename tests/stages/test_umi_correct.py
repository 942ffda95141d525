"""Correction to a fixed list against the cases of fgbio's and fgumi's own tests."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctdna.formats.fastq import iter_fastq
from ctdna.kernels.umi import nearest_fixed
from ctdna.model.errors import InputError
from ctdna.model.params.extract import ExtractParams
from ctdna.stages.extract import Tally, extract, plan
from ctdna.stages.umi_correct import Corrected, close_pairs, correct_umis, fixed_umis
from tests.builders import write_fastq
from tests.oracle_cases import Case, case_params

_TURN = str.maketrans("ACGT", "TGCA")


def corrected(umis: list[str], options: dict[str, Any], fixed: list[str]) -> Corrected:
    letters = np.frombuffer("".join(umis).upper().encode(), dtype=np.uint8).copy()
    at = np.arange(len(umis), dtype=np.int64) * len(umis[0] if umis else "")
    return correct_umis(letters, at, fixed_umis(fixed), options["max_mismatches"], options["min_distance"])


@pytest.mark.req("REQ-EXT-004")
@pytest.mark.parametrize("case", case_params("best_fixed_umi"))
def test_nearest(case: Case) -> None:
    fixed, umi, expect = case["input"]["fixed"], case["input"]["umi"], case["expect"]
    found = corrected([umi], case["options"], fixed)
    letters = np.frombuffer(umi.encode(), dtype=np.uint8).copy()
    nearest, _, _ = nearest_fixed(letters, np.zeros(1, dtype=np.int64), fixed_umis(fixed).letters)
    assert fixed[nearest[0]] == expect["umi"]
    assert found.mismatches[0] == expect["mismatches"]
    assert found.fixed[0] == (nearest[0] if expect["matched"] else -1)


@pytest.mark.parametrize("case", case_params("close_fixed_umis"))
def test_close_pairs(case: Case) -> None:
    pairs = close_pairs(fixed_umis(case["input"]["fixed"]), case["options"]["distance"])
    assert [list(pair) for pair in pairs] == case["expect"]["pairs"]
    assert close_pairs(fixed_umis(["AAAA", "TTTT", "AAAC", "ATTT"]), 1) == [("AAAA", "AAAC", 1), ("TTTT", "ATTT", 1)]


def _extracted(reads: list[dict[str, Any]], options: dict[str, Any], path: Path) -> tuple[dict[str, str], Tally]:
    """Return the comment of each read that has passed, and the counts; a read without a UMI is one without bases.

    `ctdna extract` does not turn UMIs round: where a case asks for that, they come turned.
    """
    umis = [read["umi"] or "" for read in reads]
    if options.get("revcomp"):
        umis = [umi[::-1].translate(_TURN) for umi in umis]
    bases = [umi + 12 * "A" if umi else "" for umi in umis]
    write_fastq(path, [(read["name"], text, "I" * len(text)) for read, text in zip(reads, bases, strict=True)])
    fixed = fixed_umis(options["fixed"])
    setup = plan(
        ExtractParams(
            read_structures=(f"{fixed.length}M+T",), adapters=(), min_template_bases=1,
            umi_max_mismatches=options["max_mismatches"], umi_min_distance=options["min_distance"],
            overlap_min_bases=16, adapter_min_bases=6, max_mismatch_rate=0.125,
        ),
        fixed,
    )  # fmt: skip
    (columns,) = iter_fastq(path)
    (out,), tally = extract((columns,), setup)
    names = np.split(out.names, out.name_offsets[1:-1])
    comments = np.split(out.comments, out.comment_offsets[1:-1])
    if not len(out.offsets) - 1:
        return {}, tally
    return {
        name.tobytes().decode(): comment.tobytes().decode() for name, comment in zip(names, comments, strict=True)
    }, tally


def _before(comment: str) -> str | None:
    """Return the UMI before correction that a comment tells, or None."""
    return next((part[5:] for part in comment.split("\t") if part.startswith("OX:Z:")), None)


@pytest.mark.parametrize("case", case_params("correct_reads"))
def test_reads(case: Case, tmp_path: Path) -> None:
    options, expect = case["options"], case["expect"]
    if expect.get("error"):
        with pytest.raises(InputError, match="CCC has 3 bases, but AAAAAA has 6; all UMIs of a list"):
            fixed_umis(options["fixed"])
        return
    reads = case["input"]["reads"]
    found, tally = _extracted(reads, options, tmp_path / "reads.fastq")
    assert list(found) == expect["kept"]
    others = [read["name"] for read in reads if read["name"] not in found]
    assert others == expect.get("rejected", others)
    assert (tally.rejected["too_short"] > 0) == expect.get("error_logged", False)  # counted (docs/parity.md)
    assert sum(tally.rejected.values()) == len(others)
    for name, original in expect.get("original_umi", {}).items():
        if original and options.get("revcomp"):
            original = original[::-1].translate(_TURN)  # as it came (docs/parity.md)
        assert _before(found[name]) == original
    table = dict(zip([*options["fixed"], "NNNNNN"], tally.corrections.tolist(), strict=True))
    for umi, row in expect.get("metrics", {}).items():
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
