"""The extract stage: reads made of known molecules, read structures against the plain ones, and real data."""

import gzip
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.formats.fastq import iter_fastq, iter_pairs
from ctdna.kernels.insert import FORWARD, TURNED, inserts_by_overlap
from ctdna.model.columns import FastqColumns
from ctdna.model.errors import InputError
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.extract import ExtractParams
from ctdna.model.umi import parse_read_structure
from ctdna.stages.extract import Plan, extract, metrics, no_reads, plan
from ctdna.stages.umi_correct import fixed_umis

pytestmark = pytest.mark.timeout(60)

ADAPTERS = ("AGATCGGAAGAGCACACGTCTGAACTCCAGTCA", "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT")
_TURN = str.maketrans("ACGTN", "TGCAN")


def params(*structures: str, **changes: Any) -> ExtractParams:
    values: dict[str, Any] = {
        "umi_max_mismatches": None, "umi_min_distance": None, "adapters": (), "min_template_bases": 1,
        "overlap_min_bases": 16, "adapter_min_bases": 6, "max_mismatch_rate": 0.125,
    }  # fmt: skip
    return ExtractParams(read_structures=structures, **(values | changes))


def columns(reads: list[tuple[str, str]], quals: list[list[int]] | None = None) -> FastqColumns:
    """Return FASTQ columns of (name, bases)."""

    def ragged(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        offsets = np.cumsum([0, *map(len, texts)]).astype(np.int64)
        return np.frombuffer("".join(texts).encode(), dtype=np.uint8).copy(), offsets

    names, name_offsets = ragged([name for name, _ in reads])
    bases, offsets = ragged([text for _, text in reads])
    comments, comment_offsets = ragged(["1:N:0:ACGT"] * len(reads))
    flat = np.concatenate([np.array(some, dtype=np.uint8) for some in quals]) if quals else np.full_like(bases, 30)
    return FastqColumns(names, name_offsets, comments, comment_offsets, bases, flat.astype(np.uint8), offsets)


def texts(some: FastqColumns) -> list[tuple[str, str, str]]:
    """Return (name, comment, bases) of each read."""

    def item(data: np.ndarray, offsets: np.ndarray, i: int) -> str:
        return data[offsets[i] : offsets[i + 1]].tobytes().decode()

    return [
        (
            item(some.names, some.name_offsets, i),
            item(some.comments, some.comment_offsets, i),
            item(some.bases, some.offsets, i),
        )
        for i in range(len(some))
    ]


def turned(bases: str) -> str:
    return bases[::-1].translate(_TURN)


def random_bases(dice: random.Random, n: int) -> str:
    return "".join(dice.choices("ACGT", k=n))


def read_pair(dice: random.Random, insert: str, umis: tuple[str, str], n: int, error_rate: float) -> tuple[str, str]:
    """Return reads of n bases of a fragment with a UMI and the spacer CT at each end, adapters and errors."""
    whole = f"{umis[0]}CT{insert}{turned(umis[1] + 'CT')}"
    padding = random_bases(dice, n)
    both = (whole + ADAPTERS[0] + padding)[:n], (turned(whole) + ADAPTERS[1] + padding)[:n]
    flipped = ["".join(dice.choice("ACGT") if dice.random() < error_rate else b for b in read) for read in both]
    return umis[0] + flipped[0][5:], umis[1] + flipped[1][5:]


@pytest.mark.req("REQ-EXT-002")
@pytest.mark.parametrize("adapters", [(), ADAPTERS])
def test_read_through_of_known_molecules_is_trimmed_to_the_base(adapters: tuple[str, ...]) -> None:
    dice = random.Random(11)
    inserts = [random_bases(dice, n) for n in [*range(2, 130), 160, 200, 300] * 2]
    umis = [(random_bases(dice, 5), random_bases(dice, 5)) for _ in inserts]
    pairs = [read_pair(dice, insert, umi, 100, 0.01) for insert, umi in zip(inserts, umis, strict=True)]
    reads = tuple(columns([(f"r{i}/{end + 1}", pair[end]) for i, pair in enumerate(pairs)]) for end in (0, 1))
    out, tally = extract(reads, plan(params("5M2S+T", "5M2S+T", adapters=adapters), None))
    found = [texts(some) for some in out]
    for i, (insert, umi) in enumerate(zip(inserts, umis, strict=True)):
        for end in (0, 1):
            name, comment, bases = found[end][i]
            assert name == f"r{i}"
            assert comment == f"RX:Z:{umi[0]}-{umi[1]}\tQX:Z:????? ?????"
            assert len(bases) == min(len(insert), 93)
    n_through = sum(len(insert) < 93 for insert in inserts)
    assert tally.counts["reads_trimmed"] == 2 * n_through
    assert tally.counts["bases_trimmed"] == 2 * sum(93 - len(insert) for insert in inserts if len(insert) < 93)
    assert tally.insert_length[50] == 2
    assert tally.n_in == tally.n_out == len(inserts)


def test_without_errors_the_template_is_the_insert() -> None:
    dice = random.Random(5)
    inserts = [random_bases(dice, n) for n in range(3, 150)]
    pairs = [read_pair(dice, insert, ("ACGTA", "GGCAT"), 120, 0) for insert in inserts]
    reads = tuple(columns([(f"r{i}", pair[end]) for i, pair in enumerate(pairs)]) for end in (0, 1))
    out, _ = extract(reads, plan(params("5M2S+T", "5M2S+T"), None))
    assert [bases for _, _, bases in texts(out[0])] == [insert[:113] for insert in inserts]
    assert [bases for _, _, bases in texts(out[1])] == [turned(insert)[:113] for insert in inserts]


@pytest.mark.req("REQ-EXT-003")
def test_mates_that_share_nothing_are_left_whole() -> None:
    dice = random.Random(3)
    reads = tuple(columns([(f"r{i}", random_bases(dice, 100)) for i in range(400)]) for _ in (0, 1))
    out, tally = extract(reads, plan(params("5M2S+T", "5M2S+T"), None))
    assert tally.counts["reads_trimmed"] == 0
    assert set(np.diff(out[0].offsets).tolist()) == {93}


def test_adapter_of_single_reads_is_cut_off() -> None:
    dice = random.Random(2)
    inserts = [random_bases(dice, n) for n in (0, 1, 20, 40, 45, 46, 47, 50, 60)]
    reads = [(f"r{i}", ("ACGTACGTACGT" + insert + ADAPTERS[0])[:64]) for i, insert in enumerate(inserts)]
    setup = plan(params("12M+T", adapters=(ADAPTERS[0],)), None)
    (out,), tally = extract((columns(reads),), setup)
    kept = inserts[1:]
    shown = [insert if len(insert) <= 46 else (insert + ADAPTERS[0])[:52] for insert in kept]
    assert [bases for _, _, bases in texts(out)] == shown
    assert tally.rejected == Counter(no_template=1)
    assert {comment for _, comment, _ in texts(out)} == {"RX:Z:ACGTACGTACGT\tQX:Z:????????????"}


@pytest.mark.req("REQ-EXT-002")
def test_adapters_show_what_the_overlap_does_not() -> None:
    insert = "ACGTTGCAAC"
    good = ("ACGTACT" + insert + turned("GGCATCT") + ADAPTERS[0])[:60]
    bad = "GGCATCT" + "N" * 53
    setup = plan(params("5M2S+T", "5M2S+T", adapters=ADAPTERS), None)
    out, tally = extract((columns([("r", good)]), columns([("r", bad)])), setup)
    assert [bases for _, _, bases in (*texts(out[0]), *texts(out[1]))] == [insert, "N" * 10]
    assert tally.counts["inserts_by_adapter"] == 1


@pytest.mark.req("REQ-EXT-004")
def test_fixed_list_corrects_and_rejects() -> None:
    setup = plan(params("4M+T", "4M+T", umi_max_mismatches=1, umi_min_distance=2), fixed_umis(["AAAA", "CCCC"]))
    umis = [("AAAA", "CCCC"), ("AAAC", "CCCC"), ("AACC", "CCCC"), ("AAAN", "CCCN"), ("ANNA", "GGGG"), ("AAAA", "CCC")]
    dice = random.Random(7)
    ends = [
        columns([(f"r{i}", umi[end] + (random_bases(dice, 30) if len(umi[end]) == 4 else ""))
                 for i, umi in enumerate(umis)])
        for end in (0, 1)
    ]  # fmt: skip
    out, tally = extract((ends[0], ends[1]), setup)
    comments = [comment for _, comment, _ in texts(out[1])]
    assert comments == [
        "RX:Z:AAAA-CCCC\tQX:Z:???? ????",
        "RX:Z:AAAA-CCCC\tQX:Z:???? ????\tOX:Z:AAAC-CCCC",
        "RX:Z:AAAA-CCCC\tQX:Z:???? ????\tOX:Z:AAAN-CCCN",
    ]
    assert tally.rejected == Counter(umi_not_in_list=1, n_in_umi=1, too_short=1)
    assert tally.counts["umis_corrected"] == 3
    assert tally.corrections.tolist() == [[3, 1, 2, 0, 0], [4, 3, 1, 0, 0], [3, 0, 0, 0, 0]]
    assert metrics(tally.plus(tally), setup, "s").counts["umis_corrected"] == 6


_STRUCTURES = ["5M2S+T", "+T3M", "2M1S2M+T", "4M6T", "+M4T", "2B3C1M+T2S"]


@pytest.mark.req("REQ-EXT-001")
@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(_STRUCTURES),
    st.lists(st.text("ACGTN", max_size=10), max_size=8),
    st.sampled_from([("GA", "+T"), ("", "1M+T"), ("ACGT", "2S+T")]),
)
def test_divides_as_the_plain_structure_and_balances(text: str, reads: list[str], mate: tuple[str, str]) -> None:
    structure = parse_read_structure(text)
    if not structure.is_variable:
        reads = [read[: structure.fixed_length] for read in reads]
    mates = [mate[0] + "A" * (i % 3) for i in range(len(reads))]
    setup = plan(params(text, mate[1]), None)
    ends = (columns([(f"r{i}", read) for i, read in enumerate(reads)]),
            columns([(f"r{i}", read) for i, read in enumerate(mates)]))  # fmt: skip
    out, tally = extract(ends, setup)
    assert tally.n_in == len(reads) == tally.n_out + sum(tally.rejected.values())
    expected = []
    for i, (read, other) in enumerate(zip(reads, mates, strict=True)):
        both = (structure, read), (setup.structures[1], other)
        if not all(some.fits(len(bases)) for some, bases in both):
            continue
        parts = [some.extract(bases, None, with_skips=False) for some, bases in both]
        umis = ["".join(b for kind, b in part if kind == "M") for part in parts]
        template = ["".join(b for kind, b in part if kind == "T") for part in parts]
        if all(template):
            carriers = [umi for umi, some in zip(umis, setup.structures, strict=True) if some.count("M")]
            expected.append((f"r{i}", "-".join(carriers), *template))
    found = [
        (name, comment.split("\t")[0][5:], one, two)
        for (name, comment, one), (_, _, two) in zip(texts(out[0]), texts(out[1]), strict=True)
    ]
    assert found == expected


@pytest.mark.req("REQ-EXT-001")
def test_qualities_follow_their_bases() -> None:
    reads = columns([("r", "ACGTTTT")], [[2, 10, 20, 30, 31, 32, 93]])
    (out,), _ = extract((reads,), plan(params("2M2S+T"), None))
    assert texts(out) == [("r", "RX:Z:AC\tQX:Z:#+", "TTT")]
    assert out.quals.tolist() == [31, 32, 93]


@pytest.mark.req("REQ-EXT-005")
def test_reads_that_do_not_pass_the_filter_are_counted() -> None:
    one, two = (columns([(f"r{i}", "ACGTACGT") for i in range(3)]) for _ in (0, 1))
    comments = np.frombuffer(b"1:N:0:ACGT1:Y:0:ACGT1:Yes:ACGT", dtype=np.uint8).copy()
    marked = FastqColumns(*one[:2], comments, *one[3:])
    out, tally = extract((marked, two), plan(params("2M+T", "+T"), None))
    assert [name for name, _, _ in texts(out[0])] == ["r0", "r2"]
    assert tally.rejected == Counter(not_pf=1)


@pytest.mark.parametrize(
    ("structures", "fixed", "message"),
    [
        (("5M2S",), None, r"read structure 5M2S: found 0 segments T, allowed is exactly one"),
        (("5M2T+T",), None, "found 2 segments T"),
        (("+T", "+T"), None, "read structures: no segment M, so there is no UMI"),
        (("5M+T",), ["ACGT"], r"read structure 5M\+T: its UMI has 5 bases, but the list's UMIs have 4"),
        (("+M5T",), ["ACGT"], "its UMI has no fixed number of bases"),
    ],
)
def test_messages_of_the_plan(structures: tuple[str, ...], fixed: list[str] | None, message: str) -> None:
    settings_ = params(*structures, umi_max_mismatches=1, umi_min_distance=1)
    with pytest.raises(InputError, match=message):
        plan(settings_, fixed_umis(fixed) if fixed else None)


def test_messages() -> None:
    with pytest.raises(InputError, match="UMI list: a list needs both limits of correction"):
        plan(params("4M+T"), fixed_umis(["ACGT"]))
    with pytest.raises(
        InputError, match="read r0: 9 bases, but read structure 4M4T takes exactly 8; end the structure"
    ):
        extract((columns([("r0", "ACGTACGTA")]),), plan(params("4M4T"), None))


def _extracted(paths: list[Path], setup: Plan, batch_reads: int = 5000) -> tuple[list[list[Any]], StageMetrics]:
    tally, out = no_reads(setup), [[] for _ in paths]
    if len(paths) == 2:
        batches: Any = iter_pairs(paths[0], paths[1], 1, batch_reads)
    else:
        batches = ((some,) for some in iter_fastq(paths[0], 1, batch_reads))
    for batch in batches:
        columns_out, some = extract(batch, setup)
        tally = tally.plus(some)
        for end, part in enumerate(columns_out):
            out[end] += texts(part)
    return out, metrics(tally, setup, "s")


def test_real_duplex_adapter_reads(real_data: Path) -> None:
    paths = [real_data / "nfcore-umi" / f"test.umi_{end}.fastq.gz" for end in (1, 2)]
    out, counts = _extracted(paths, plan(params("7M1S+T", "7M1S+T"), None))
    assert counts.n_in == counts.n_out == 7890
    name, comment, bases = out[0][0]
    assert (name, comment) == ("922332", "RX:Z:ATTTCAG-TATTATT\tQX:Z:AAAAAEE AAAAAEE")
    assert bases == turned(out[1][0][2])
    assert bases.startswith("GAGAGGATCTCG")
    assert counts.counts["inserts_by_overlap"] == 7833
    # What is left of a read-through pair is its insert: the same bases on both mates but for sequencing errors.
    same = [(one, two) for (_, _, one), (_, _, two) in zip(*out, strict=True) if len(one) == len(two) < 143]
    assert len(same) > 4900
    assert sum(one == turned(two) for one, two in same) > 0.75 * len(same)


def test_real_simsen_reads(real_data: Path) -> None:
    setup = plan(params("12M16S+T", adapters=(ADAPTERS[0],)), None)
    path = real_data / "simsen-pik3ca" / "test_R1.fastq.gz"
    out, counts = _extracted([path], setup)
    assert counts.n_in == counts.n_out == 1938
    assert len({comment for _, comment, _ in out[0]}) > 275
    whole = gzip.decompress(path.read_bytes()).decode().split("\n")[1::4]
    plain = {i: at - 28 for i, read in enumerate(whole) if (at := read.find(ADAPTERS[0][:30])) >= 0}
    assert len(plain) > 1700
    assert all(len(out[0][i][2]) == length for i, length in plain.items())
    assert len(plain) <= counts.counts["reads_trimmed"] <= 1938


def test_real_capture_reads(real_data: Path) -> None:
    folder = real_data / "capture-cfdna-largemid"
    setup = plan(params("2M1S+T", "2M1S+T"), None)
    out, counts = _extracted([folder / f"LargeMid_56_L005_R{end}.fastq.gz" for end in (1, 2)], setup)
    assert counts.n_in == counts.n_out == len(out[0]) == 10_000
    assert out[0][0][1].startswith("RX:Z:NT-GG\t")
    lengths = np.repeat(*(np.array(some) for some in zip(*counts.histograms["insert_length"].items(), strict=True)))
    assert len(lengths) > 4000
    assert 150 <= np.median(lengths) <= 190


def test_reads_of_real_sequence_are_trimmed_where_they_run_through(real_data: Path) -> None:
    dice = random.Random(1)
    parts = (real_data / "reference" / "panel_hg38_slices.fa").read_text().upper().split(">")[1:]
    slices = [part.partition("\n")[2].replace("\n", "") for part in parts]
    inserts = []
    while len(inserts) < 4000:
        where, n = dice.choice(slices), dice.randint(30, 400)
        start = dice.randrange(max(1, len(where) - n))
        insert = where[start : start + n]
        inserts.append(insert if dice.random() < 0.5 else turned(insert))
    umis = [(random_bases(dice, 5), random_bases(dice, 5)) for _ in inserts]
    pairs = [read_pair(dice, insert, umi, 126, 0.005) for insert, umi in zip(inserts, umis, strict=True)]
    reads = tuple(columns([(f"r{i}", pair[end]) for i, pair in enumerate(pairs)]) for end in (0, 1))
    limits = {"overlap_min_bases": 20, "max_mismatch_rate": 0.1, "adapters": ADAPTERS}
    out, _ = extract(reads, plan(params("5M2S+T", "5M2S+T", **limits), None))
    expected = np.minimum([len(insert) for insert in inserts], 119)
    for some in out:
        found = np.diff(some.offsets)
        assert (found <= expected).all()
        assert (found != expected).sum() <= 4


def test_real_long_umis(real_data: Path) -> None:
    paths = [real_data / "mageri" / "pipeline" / f"R{end}.fastq.gz" for end in (1, 2)]
    out, counts = _extracted(paths, plan(params("14M+T", "+T"), None))
    assert counts.n_in == counts.n_out == 21_953
    assert {len(comment.split("\t")[0]) for _, comment, _ in out[1]} == {19}


@pytest.mark.req("REQ-EXT-003")
def test_fragments_within_a_duplication_are_not_cut_where_no_adapter_stands() -> None:
    dice = random.Random(7)
    text, n = random_bases(dice, 80) * 3, 167
    inserts = [text[start : start + n] for start in range(len(text) - n)] * 20
    umis = [(random_bases(dice, 5), random_bases(dice, 5)) for _ in inserts]
    pairs = [read_pair(dice, insert, umi, 126, 0.002) for insert, umi in zip(inserts, umis, strict=True)]
    reads = tuple(columns([(f"r{i}", pair[end]) for i, pair in enumerate(pairs)]) for end in (0, 1))
    trimmed = []
    for adapters in ((), ADAPTERS):
        setup = plan(params("5M2S+T", "5M2S+T", overlap_min_bases=20, max_mismatch_rate=0.2, adapters=adapters), None)
        trimmed.append(extract(reads, setup)[1].counts["reads_trimmed"])
    assert trimmed[0] > 0
    assert trimmed[1] == 0


def plain_insert(one: str, two: str, n_before: int, fewest: int, rate: float, adapters: tuple[str, str]) -> int:
    """Return the insert by the best overlap, base by base: the slow twin of `inserts_by_overlap`."""
    other, best, insert = turned(two), (False, 0), -1
    for fragment in range(max(n_before, fewest), len(one) + len(two) - fewest + 1):
        shift = len(two) - fragment
        both = [
            (one[j], other[j + shift])
            for j in range(len(one))
            if 0 <= j + shift < len(two) and "N" not in (one[j], other[j + shift])
        ]
        wrong = sum(a != b for a, b in both)
        score = len(both) - 4 * wrong
        behind = [*zip(one[fragment:], adapters[0], strict=False), *zip(two[fragment:], adapters[1], strict=False)]
        behind = [pair for pair in behind if "N" not in pair]
        is_clear = len(behind) >= 4 * sum(a != b for a, b in behind)
        is_overlap = len(both) >= fewest and wrong <= rate * len(both) and score > 0
        if is_overlap and (is_clear, score) > best:
            best, insert = (is_clear, score), fragment - n_before
    return insert


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_overlap_agrees_with_the_twin(data: st.DataObject) -> None:
    whole = data.draw(st.text("AC", min_size=0, max_size=60) | st.text("ACGTN", min_size=0, max_size=90))
    tail = data.draw(st.text("ACGT", max_size=40))
    n1, n2 = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70))
    one, two = ("AC" + whole + tail)[:n1], ("G" + turned(whole) + tail[::-1])[:n2]
    adapters = data.draw(st.sampled_from([("", ""), ("GT" + tail[2:], tail[::-1]), ("ACNGT", "CC")]))
    letters = tuple(np.frombuffer(text.encode(), dtype=np.uint8).copy() for text in adapters)
    n_before = min(2, len(one)) + min(1, len(two))
    reads = [columns([("r", bases)]) for bases in (one, two)]
    places = tuple(np.array([n], dtype=np.int64) for n in (min(2, len(one)), min(1, len(two))))
    found = inserts_by_overlap(
        (reads[0].bases, reads[1].bases), (reads[0].offsets, reads[1].offsets), places, np.ones(1, dtype=np.bool_),
        np.array([8, 0.2]), letters, (FORWARD, TURNED),
    )  # fmt: skip
    assert found[0] == plain_insert(one, two, n_before, 8, 0.2, adapters)
