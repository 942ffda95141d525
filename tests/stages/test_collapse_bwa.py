"""The short way beside the long one: pairs given their representative's alignment, and bwa's own of every pair."""

import random
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest

from ctdna.formats.bwa import Bwa, align_stream, open_bwa
from ctdna.model.columns import FastqColumns, RawRecords
from ctdna.stages.align import add_mate_tags, joined, whole_templates
from ctdna.stages.collapse import Alignments, Collapser, Waiting, own_representatives, reads_of
from ctdna.stages.inherit import REASONS, Cells, inherit
from ctdna.stages.realign import carry_tags, to_reads
from tests import naive_record
from tests.aligner import indexed_reference, random_contigs
from tests.builders import Read, records
from tests.collapse_cases import columns, spoiled, swapped
from tests.formats.test_bwa import PINNED
from tests.kernels.test_record import items
from tests.naive_collapse import Pair, turned

pytestmark = pytest.mark.timeout(120)
READ, BATCH, ERRORS = 100, 500, 0.004
CONTIGS = random_contigs()


class Molecule(NamedTuple):
    """A fragment of the reference, perhaps with a change of its own."""

    umi: str
    contig: int
    bases: str
    is_turned: bool


def molecules(source: random.Random, n: int) -> list[Molecule]:
    """Return fragments; every tenth has a base replaced, every twentieth three bases missing."""
    made = []
    for i in range(n):
        contig = i % 2
        text = list(CONTIGS.values())[contig]
        start = source.randrange(0, len(text) - 300)
        bases = text[start : start + source.randint(READ, 290)]
        at = source.randrange(len(bases) - 3)
        if i % 10 == 3:
            bases = bases[:at] + spoiled(source, bases[at], 1.0, "ACGT") + bases[at + 1 :]
        elif i % 20 == 7:
            bases = bases[:at] + bases[at + 3 :]
        umi = "-".join("".join(source.choices("ACGT", k=5)) for _ in range(2))
        made.append(Molecule(umi, contig, bases, source.random() < 0.5))
    return made


def true_pair(molecule: Molecule) -> Pair:
    """Return a molecule's reads without errors."""
    pair = Pair(molecule.umi, (molecule.bases[:READ], turned(molecule.bases)[:READ]))
    return swapped(pair) if molecule.is_turned else pair


def sequenced(source: random.Random, many: list[Molecule]) -> tuple[list[Pair], list[int]]:
    """Return pairs of the molecules with errors, both strands mixed, and the molecule of each."""
    of = [i for i in range(len(many)) for _ in range(source.randint(1, 9))]
    source.shuffle(of)
    made = []
    for i in of:
        umi, (one, two) = true_pair(many[i])
        pair = Pair(spoiled(source, umi, ERRORS), (spoiled(source, one, ERRORS), spoiled(source, two, ERRORS)))
        made.append(swapped(pair) if source.random() < 0.5 else pair)
    return made, of


def aligned(bwa: Bwa, reads: list[FastqColumns]) -> list[RawRecords]:
    with align_stream(bwa, ("-p", "-Y"), iter(reads)) as (_, batches):
        return list(whole_templates(batches))


def plain(raw: RawRecords) -> list[naive_record.Plain]:
    return [naive_record.parse(item) for item in items(raw)]


def _batches(some: list[Pair]) -> Iterator[tuple[FastqColumns, FastqColumns]]:
    for at in range(0, len(some), BATCH):
        part = some[at : at + BATCH]
        yield columns(part, 0, at), columns(part, 1, at)


def short_way(bwa: Bwa, some: list[Pair]) -> tuple[list[naive_record.Plain], list[naive_record.Plain], int]:
    """Return the records of pairs given an alignment, those of pairs in doubt, and the representatives."""
    collapser = Collapser(1 << 20)
    batches = [collapser.collapse(one, two) for one, two in _batches(some)]
    alignments, found, left = Alignments(), [], []
    for records_of in aligned(bwa, [reads_of(new) for _, new in batches]):
        alignments.add(records_of)
    assert alignments.n_aligned == collapser.n_representatives
    for waiting, _ in batches:
        spread, doubtful = alignments.spread(waiting)
        found += plain(spread)
        left.append(doubtful)
    return found, own_alignments(bwa, left), collapser.n_representatives


def own_alignments(bwa: Bwa, left: list[Waiting]) -> list[naive_record.Plain]:
    second, found, n = Alignments(0), [], 0
    own = []
    for waiting in left:
        own.append(own_representatives(waiting, n))
        n += waiting.n_pairs
    for records_of in aligned(bwa, [reads_of(waiting) for waiting in own]):
        second.add(records_of)
    for waiting in own:
        spread, doubtful = second.spread(waiting._replace(first=0))
        assert doubtful.n_pairs == 0
        found += plain(spread)
    return found


@pytest.fixture(scope="module")
def bwa(tmp_path_factory: pytest.TempPathFactory) -> Bwa:
    return open_bwa(indexed_reference(tmp_path_factory.mktemp("reference")), PINNED)


def _end(record: naive_record.Plain) -> int:
    return 1 if record.flag & 0x80 else 0


def _near_end(record: naive_record.Plain, bases: str) -> bool:
    """Return whether a read differs from the reference within ten bases of an end, or is not aligned as a whole."""
    if [letter for _, letter in record.cigar] != ["M"]:
        return True
    text = list(CONTIGS.values())[record.contig][record.pos0 : record.pos0 + len(bases)]
    return bases[:10] != text[:10] or bases[-10:] != text[-10:]


@pytest.mark.req("REQ-COL-003")
def test_members_lie_where_bwa_would_put_them(bwa: Bwa) -> None:
    source = random.Random(3)
    some, _ = sequenced(source, molecules(source, 300))
    long_way = {}
    for batch in aligned(bwa, [reads_of(collapsed) for collapsed in _as_waiting(some)]):
        for record in plain(batch):
            if not record.flag & 0x900:
                long_way[record.name, _end(record)] = record
    given, doubtful, n_aligned = short_way(bwa, some)
    assert len(given) + len(doubtful) == 2 * len(some) == len(long_way)
    assert n_aligned < 0.4 * len(some)
    assert len(doubtful) < 0.05 * len(given)
    odd = []
    for record in given:
        own = long_way[record.name, _end(record)]
        if (record.contig, record.pos0, record.cigar, record.flag) != (own.contig, own.pos0, own.cigar, own.flag):
            odd.append(record)
        else:
            assert (record.bases, record.quals) == (own.bases, own.quals)
    assert len(odd) <= 0.005 * len(given)
    names = {record.name for record in odd}
    for name in names:
        assert any(_near_end(long_way[name, end], long_way[name, end].bases) for end in (0, 1))
    for record in doubtful:
        own = long_way[record.name, _end(record)]
        assert (record.contig, record.pos0, record.cigar) == (own.contig, own.pos0, own.cigar)


def _as_waiting(some: list[Pair]) -> Iterator[Waiting]:
    for one, two in _batches(some):
        yield Collapser(1 << 20).collapse(one, two)[0]


def grouped_reads(bwa: Bwa, some: list[Pair], of: list[int]) -> list[Read]:
    """Return bwa's primary records of the pairs with MI, in the order of their molecules."""
    made = []
    for batch in aligned(bwa, [reads_of(waiting) for waiting in _as_waiting(some)]):
        for one in plain(batch):
            if one.flag & 0x900:
                continue
            molecule = of[int(one.name.decode().removeprefix("read"))]
            cigar = "".join(f"{size}{letter}" for size, letter in one.cigar) or "*"
            made.append(
                Read(
                    one.name.decode(), one.flag, one.contig, one.pos0, one.mapq, cigar, *one.mate, one.bases,
                    list(one.quals), {"MI": str(molecule)},
                )
            )  # fmt: skip
    return sorted(made, key=lambda read: int(read.tags["MI"]))


def consensus(source: random.Random, many: list[Molecule]) -> list[Read]:
    """Return unaligned consensus reads of the molecules, a few of them with N or wrong bases."""
    made = []
    for i, molecule in enumerate(many):
        for flag, bases in zip((77, 141), true_pair(molecule).reads, strict=True):
            own = spoiled(source, bases, 0.02, "ACGTN") if i % 3 == 0 else bases
            tags = {"MI": str(i), "cd": list(range(len(own))), "ac": own, "aq": "I" * (len(own) - 1) + "#"}
            made.append(Read(f"lib:{i}", flag, bases=own, quals=[40] * len(own), tags=tags))
    return made


@pytest.mark.req("REQ-COL-003")
def test_inherited_alignments_are_those_that_bwa_gives(bwa: Bwa) -> None:
    source = random.Random(8)
    many = molecules(source, 300)
    of = [i for i in range(len(many)) for _ in range(2)]
    some = [Pair(umi, (one, two)) for umi, (one, two) in (true_pair(many[i]) for i in of)]
    called = records(consensus(source, many))
    cells = Cells()
    cells.add(records(grouped_reads(bwa, some, of)))
    lengths = np.array([len(text) for text in CONTIGS.values()], dtype=np.int64)
    found = cells.candidates(called, lengths, False)
    texts = list(CONTIGS.values())
    columns_of = zip(*(column.tolist() for column in found.stretches), strict=True)
    bases = [np.frombuffer(texts[c][start:end].encode(), dtype=np.uint8).copy() for c, start, end in columns_of]
    placed, rest, counts = inherit(found, bases)
    assert len(placed) + len(rest) == len(called) == int(counts.sum())
    assert len(placed) == counts[REASONS.index("inherited")] > 0.6 * len(called)
    again: RawRecords | None = None
    for batch in aligned(bwa, [to_reads(called)]):
        again = batch if again is None else joined(again, batch)
    assert again is not None
    expected = add_mate_tags(carry_tags(again, called)[0])
    by_end = {(one.name, _end(one)): one for one in plain(expected) if not one.flag & 0x900}
    odd = [one for one in plain(placed) if _known(one) != _known(by_end[one.name, _end(one)])]
    assert odd == []


def _known(one: naive_record.Plain) -> naive_record.Plain:
    """Return the record with its tags in order, without what only bwa knows."""
    return one._replace(tags=sorted((tag for tag in one.tags if tag[0] not in ("XS", "XA")), key=lambda tag: tag[0]))
