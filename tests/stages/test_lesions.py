import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.kernels import lesions as kernels
from ctdna.kernels import tally
from ctdna.model.errors import InputError
from ctdna.model.evidence import Lesions
from ctdna.stages.call import call
from ctdna.stages.lesions import lesion_counts, lesion_rates
from tests.builders import Read
from tests.consensus_molecules import PARAMS, REFERENCE, TARGET, Edit, crowd, evidence, flip, molecule
from tests.naive_evidence import lesions as naive_lesions
from tests.naive_evidence import observations

pytestmark = pytest.mark.timeout(60)
AT_G = next(i for i in range(500, 560) if REFERENCE[i] == "G")
DEPTHS = [(3, 3), (2, 2), (4, 3), (5, 2), (2, 1), (3, 0)]


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    kernels.warm()
    tally.warm()


def with_strands(read: Read, is_a_bottom: bool = False) -> Read:
    """Return the read with both strands saying what it says."""
    n = len(read.bases)
    more = {"ac": read.bases, "bc": read.bases, "aq": "I" * n, "bq": "I" * n}
    return read._replace(tags=read.tags | more, flag=read.flag ^ (192 if is_a_bottom else 0))


def put(read: Read, tag: str, at: int, letter: str) -> Read:
    text = read.tags[tag]
    return read._replace(tags=read.tags | {tag: text[:at] + letter + text[at + 1 :]})


def split(read: Read, pos0: int, strand: str, base: str, quality: str = "I") -> Read:
    """Return the read with one strand saying another base, and the read itself nothing."""
    at = observations(read).get(pos0)
    if at is None:
        return read
    quals = [read.quals] * len(read.bases) if isinstance(read.quals, int) else list(read.quals)
    quals[at] = 2
    bases = read.bases[:at] + "N" + read.bases[at + 1 :]
    return put(put(read._replace(bases=bases, quals=quals), f"{strand}c", at, base), f"{strand}q", at, quality)


def counted(found: Lesions) -> Counter[str]:
    sides = ("top", "bottom")
    counts = Counter({f"{'ACGT'[base]}>{'ACGT'[other]} {sides[strand]}": int(found.seen[strand, base, other])
                      for strand in (0, 1) for base in range(4) for other in range(4)})  # fmt: skip
    counts.update({f"base {base}": int(found.strand_bases[k]) for k, base in enumerate("ACGT")})
    counts["both"] = found.both_changed
    return +counts


def shown(reads: list[Read]) -> dict[str, int]:
    return {name: n for name, n in counted(evidence(reads).lesions).items() if not name.startswith("base")}


@pytest.mark.parametrize(
    ("strand", "is_a_bottom", "name"),
    [("a", False, "G>T top"), ("b", False, "C>A bottom"), ("a", True, "C>A bottom"), ("b", True, "G>T top")],
)
def test_a_changed_strand_is_named_as_it_is_written(strand: str, is_a_bottom: bool, name: str) -> None:
    # Mates of a 120 bp fragment both cover the base: one molecule.
    reads = [split(with_strands(read, is_a_bottom), AT_G, strand, "T") for read in molecule(1, 450, 120)]
    assert shown(reads) == {name: 1}


def test_oxidation_of_either_strand_is_g_to_t() -> None:
    at_c = next(i for i in range(500, 560) if REFERENCE[i] == "C")
    top = [split(with_strands(read), AT_G, "a", "T") for read in molecule(1, 450, 120)]
    bottom = [split(with_strands(read), at_c, "b", "A") for read in molecule(2, 450, 120)]
    assert shown(top + bottom) == {"G>T top": 1, "G>T bottom": 1}


@pytest.mark.parametrize("mapq", [60, 3])
def test_mates_that_disagree_and_weak_strands_count_nowhere(mapq: int) -> None:
    one, other = map(with_strands, molecule(1, 450, 120))
    assert shown([split(one, AT_G, "a", "T"), other]) == {}
    assert shown([split(one, AT_G, "a", "T"), split(other, AT_G, "a", "C")]) == {}
    assert shown([split(read, AT_G, "a", "T", ">") for read in (one, other)]) == {}
    assert shown([split(read, AT_G, "a", "N") for read in (one, other)]) == {}
    assert shown([split(read, AT_G, "a", "T")._replace(mapq=3) for read in (one, other)]) == {}
    kept = split(one, AT_G, "a", "T")
    assert shown([kept, other._replace(mapq=mapq)]) == ({} if mapq == 60 else {"G>T top": 1})
    thin = [split(with_strands(read), AT_G, "a", "T") for read in molecule(1, 450, 120, (2, 1))]
    assert shown(thin) == {}
    off = [split(with_strands(read), 395, "a", flip(REFERENCE[395])) for read in molecule(1, 350, 120)]
    assert shown(off) == {}


@st.composite
def molecules(draw: st.DrawFn) -> list[Read]:
    reads = []
    deletion = Edit(500, REFERENCE[500:504], REFERENCE[500])
    for name in range(draw(st.integers(1, 4))):
        depths, size = draw(st.sampled_from(DEPTHS)), draw(st.sampled_from([104, 112, 150]))
        edits = [deletion] if draw(st.booleans()) else []
        mapq, is_bottom = draw(st.sampled_from([60, 60, 3])), draw(st.booleans())
        pair = molecule(name, draw(st.integers(400, 440)), size, depths, edits, mapq=mapq)
        pair = [with_strands(read, is_bottom) for read in pair]
        changes = st.tuples(
            st.integers(480, 520), st.sampled_from("ab"), st.sampled_from("ACGTN"), st.sampled_from("III>"),
            st.sampled_from([(0,), (1,), (0, 1), (0, 1)]),
        )  # fmt: skip
        for pos0, strand, base, quality, where in draw(st.lists(changes, min_size=1, max_size=6)):
            for k in where:
                pair[k] = split(pair[k], pos0, strand, base, quality)
        reads += pair
    return reads


@settings(max_examples=60)
@given(reads=molecules())
def test_lesions_equal_a_slow_recount(reads: list[Read]) -> None:
    expected = naive_lesions(reads, REFERENCE, TARGET, PARAMS)
    assert counted(evidence(reads).lesions) == expected
    mixed = random.Random(3).sample(reads, len(reads))
    assert counted(evidence(mixed).lesions) == expected


def test_heavy_damage_shows_in_the_figures_of_call() -> None:
    rng, clean, damaged, n_g = random.Random(5), [], [], 0
    for first, second in zip(*[iter(crowd(100, 4))] * 2, strict=True):
        pair = [with_strands(read) for read in (first, second)]
        clean += pair
        for pos0 in sorted({pos0 for read in pair for pos0 in observations(read)}):
            on_target = TARGET[0] <= pos0 < TARGET[1] and min(pair[0].tags["aD"], pair[0].tags["bD"]) >= 2
            n_g += on_target and REFERENCE[pos0] in "CG"
            strand, base = ("a", "T") if REFERENCE[pos0] == "G" else ("b", "A")
            if REFERENCE[pos0] in "CG" and rng.random() < 0.01:
                pair = [split(read, pos0, strand, base) for read in pair]
        damaged += pair
    assert set(lesion_rates(evidence(clean).lesions).values()) == {0.0}
    values = call(evidence(damaged), PARAMS, (), (), None, "s").metrics.values
    assert values["lesions_per_million_c_to_t"] == 0
    assert values["lesions_per_million_g_to_t"] == pytest.approx(1e4, abs=4 * 1e6 * (0.01 / n_g) ** 0.5)


def test_reads_without_strand_bases_have_no_rates() -> None:
    found = evidence(molecule(1, 450, 120, (1, 1))).lesions
    assert lesion_rates(found) == {}
    assert set(lesion_counts(found).values()) == {0}
    assert len(lesion_counts(found)) == 12 * 2 + 4 + 1


def test_strand_bases_of_the_wrong_length_are_refused() -> None:
    reads = [with_strands(read) for read in molecule(1, 450, 120)]
    for tags in ({"ac": "ACGT"}, {"bq": [1, 2]}):
        wrong = [reads[0], reads[1]._replace(tags=reads[1].tags | tags)]
        with pytest.raises(InputError, match="record 2: a per-base tag is not as long as the bases"):
            evidence(wrong)
